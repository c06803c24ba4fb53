package budstikke;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** A line of JSON in is an order, a line of JSON out is its answer: {"ok": ...} or {"fault": "class: text"}. */
final class Lines {
    /** Something that can be ordered. */
    interface Job {
        Object run(JsonNode order) throws Exception;
    }

    private static final ObjectMapper JSON = new ObjectMapper();

    private Lines() {}

    /** Serves orders until standard input ends; the order's "do" names the job. */
    static void serve(Map<String, Job> jobs) throws IOException {
        BufferedReader orders = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String line = orders.readLine(); line != null; line = orders.readLine()) {
            answers.println(JSON.writeValueAsString(answer(jobs, JSON.readTree(line))));
        }
    }

    private static Map<String, Object> answer(Map<String, Job> jobs, JsonNode order) {
        try {
            return Map.of("ok", jobs.get(order.get("do").asText()).run(order));
        } catch (Exception fault) {
            fault.printStackTrace();
            return Map.of("fault", causes(fault));
        }
    }

    /** Every cause in turn: KS's libraries wrap what went wrong in RuntimeExceptions. */
    private static String causes(Throwable fault) {
        StringBuilder text = new StringBuilder();
        for (Throwable cause = fault; cause != null; cause = cause.getCause()) {
            text.append(text.isEmpty() ? "" : " <- ").append(cause);
        }
        return text.toString();
    }
}
