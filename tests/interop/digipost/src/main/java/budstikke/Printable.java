package budstikke;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import no.digipost.print.validate.PdfValidationResult;
import no.digipost.print.validate.PdfValidationSettings;
import no.digipost.print.validate.PdfValidator;

/** What Digipost's own validator says of PDFs: a path is a line in; a line out says "print web pages errors". */
public final class Printable {
    private Printable() {}

    public static void main(String[] none) throws IOException {
        PdfValidator validator = new PdfValidator();
        BufferedReader paths = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String path = paths.readLine(); path != null; path = paths.readLine()) {
            byte[] pdf = Files.readAllBytes(Path.of(path));
            answers.println(told(validator.validate(pdf, PdfValidationSettings.CHECK_ALL)));
        }
    }

    private static String told(PdfValidationResult result) {
        String errors = result.errors.stream().map(Enum::name).distinct().collect(Collectors.joining(","));
        return String.join(
                " ",
                String.valueOf(result.okForPrint),
                String.valueOf(result.okForWeb),
                String.valueOf(result.pages),
                errors.isEmpty() ? "-" : errors);
    }
}
