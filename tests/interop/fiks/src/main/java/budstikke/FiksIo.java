package budstikke;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import no.ks.fiks.io.client.FiksIOKlient;
import no.ks.fiks.io.client.FiksIOKlientFactory;
import no.ks.fiks.io.client.SvarSender;
import no.ks.fiks.io.client.konfigurasjon.AmqpKonfigurasjon;
import no.ks.fiks.io.client.konfigurasjon.FiksApiKonfigurasjon;
import no.ks.fiks.io.client.konfigurasjon.FiksIOKonfigurasjon;
import no.ks.fiks.io.client.konfigurasjon.FiksIntegrasjonKonfigurasjon;
import no.ks.fiks.io.client.konfigurasjon.IdPortenKonfigurasjon;
import no.ks.fiks.io.client.konfigurasjon.KontoKonfigurasjon;
import no.ks.fiks.io.client.konfigurasjon.VirksomhetssertifikatKonfigurasjon;
import no.ks.fiks.io.client.model.FilePayload;
import no.ks.fiks.io.client.model.KlientKorrelasjonId;
import no.ks.fiks.io.client.model.KontoId;
import no.ks.fiks.io.client.model.Konto;
import no.ks.fiks.io.client.model.MeldingId;
import no.ks.fiks.io.client.model.MeldingRequest;
import no.ks.fiks.io.client.model.MottattMelding;
import no.ks.fiks.io.client.model.Payload;

/** KS's Fiks IO client, one instance for each account; "name" in an order says which. */
public final class FiksIo {
    private record Arrival(MottattMelding melding, SvarSender svar) {}

    private final FiksIOKlient klient;
    private final BlockingQueue<Arrival> arrivals = new LinkedBlockingQueue<>();
    private final Map<UUID, SvarSender> open = new HashMap<>();
    private final List<String> closed = new ArrayList<>();

    private FiksIo(JsonNode order) throws IOException, GeneralSecurityException {
        this.klient = new FiksIOKlientFactory(settings(order)).build();
    }

    public static void main(String[] none) throws IOException {
        Map<String, FiksIo> accounts = new HashMap<>();
        Map<String, Lines.Job> jobs = new HashMap<>();
        jobs.put("connect", order -> {
            FiksIo made = new FiksIo(order);
            accounts.put(order.get("name").asText(), made);
            return made.klient.getKontoId().toString();
        });
        jobs.put("subscribe", order -> of(accounts, order).subscribe());
        jobs.put("konto", order -> of(accounts, order).konto(id(order, "kontoId")));
        jobs.put("send", order -> of(accounts, order).send(order));
        jobs.put("next", order -> of(accounts, order).next(order.get("within_s").asLong()));
        jobs.put("answer", order -> of(accounts, order).answer(order));
        jobs.put("ack", order -> of(accounts, order).settle(order, SvarSender::ack));
        jobs.put("nack", order -> of(accounts, order).settle(order, SvarSender::nack));
        jobs.put("requeue", order -> of(accounts, order).settle(order, SvarSender::nackWithRequeue));
        jobs.put("close", order -> of(accounts, order).close());
        Lines.serve(jobs);
        System.exit(0); // the client's threads would keep the machine alive
    }

    private static FiksIo of(Map<String, FiksIo> accounts, JsonNode order) {
        return accounts.get(order.get("name").asText());
    }

    private static UUID id(JsonNode order, String name) {
        return UUID.fromString(order.get(name).asText());
    }

    /** Where everything is, and who we are: "api" is an address, "amqp" host and port, both reached by TLS. */
    private static FiksIOKonfigurasjon settings(JsonNode order) throws IOException, GeneralSecurityException {
        URI api = URI.create(order.get("api").asText());
        URI amqp = URI.create(order.get("amqp").asText());
        return FiksIOKonfigurasjon.builder()
                .fiksApiKonfigurasjon(FiksApiKonfigurasjon.builder()
                        .scheme(api.getScheme())
                        .host(api.getHost())
                        .port(api.getPort())
                        .build())
                .amqpKonfigurasjon(
                        AmqpKonfigurasjon.builder().host(amqp.getHost()).port(amqp.getPort()).build())
                .fiksIntegrasjonKonfigurasjon(FiksIntegrasjonKonfigurasjon.builder()
                        .integrasjonId(id(order, "integrasjonId"))
                        .integrasjonPassord(order.get("integrasjonPassord").asText())
                        .idPortenKonfigurasjon(IdPortenKonfigurasjon.builder()
                                .klientId(order.get("klientId").asText())
                                .idPortenAudience(order.get("audience").asText())
                                .accessTokenUri(order.get("tokenEndpoint").asText())
                                .build())
                        .build())
                .kontoKonfigurasjon(KontoKonfigurasjon.builder()
                        .kontoId(new KontoId(id(order, "kontoId")))
                        .privatNokkel(Keys.privateKey(Path.of(order.get("key").asText())))
                        .build())
                .virksomhetssertifikatKonfigurasjon(VirksomhetssertifikatKonfigurasjon.builder()
                        .keyStore(Keys.keyStore(Path.of(order.get("signer").asText())))
                        .keyStorePassword(Keys.PASSWORD)
                        .keyAlias(Keys.ALIAS)
                        .keyPassword(Keys.PASSWORD)
                        .build())
                .build();
    }

    private Object subscribe() {
        klient.newSubscription(
                (melding, svar) -> arrivals.add(new Arrival(melding, svar)), signal -> closed.add(signal.toString()));
        return true;
    }

    private Object konto(UUID id) {
        return klient.getKonto(new KontoId(id)).map(Konto::getKontoNavn).orElse("");
    }

    /** Sends "files" of the "type" to the account "to"; gives the id that the platform gave. */
    private Object send(JsonNode order) {
        MeldingRequest request = MeldingRequest.builder()
                .mottakerKontoId(new KontoId(id(order, "to")))
                .meldingType(order.get("type").asText())
                .klientMeldingId(new MeldingId(id(order, "klientMeldingId")))
                .korrelasjonsId(new KlientKorrelasjonId(order.get("korrelasjon").asText()))
                .headere(headers(order))
                .build();
        return klient.send(request, files(order)).getMeldingId().toString();
    }

    /** The next message, opened and verified; null when none comes in time. It stays unsettled until it is told. */
    private Object next(long withinSeconds) throws Exception {
        Arrival arrival = arrivals.poll(withinSeconds, TimeUnit.SECONDS);
        if (arrival == null) {
            throw new IOException("no message came; closed: " + closed);
        }
        MottattMelding melding = arrival.melding();
        open.put(melding.getMeldingId().getUuid(), arrival.svar());
        Map<String, Object> told = new TreeMap<>();
        told.put("meldingId", melding.getMeldingId().toString());
        told.put("type", melding.getMeldingType());
        told.put("from", melding.getAvsenderKontoId().toString());
        told.put("to", melding.getMottakerKontoId().toString());
        told.put("answers", melding.getSvarPaMelding() == null ? "" : melding.getSvarPaMelding().toString());
        told.put("klientMeldingId", String.valueOf(melding.getKlientMeldingId()));
        told.put("korrelasjon", String.valueOf(melding.getKlientKorrelasjonId()));
        told.put("headers", melding.getHeadere());
        told.put("resent", melding.isResendt());
        told.put("ttl_ms", melding.getTtl() == null ? -1 : melding.getTtl().toMillis());
        told.put("files", melding.isHarPayload() ? opened(melding) : Map.of());
        return told;
    }

    /** SHA-256 of each file by its name. The client verifies signature and digests while it writes. */
    private static Map<String, String> opened(MottattMelding melding) throws Exception {
        Path zip = Files.createTempFile("melding", ".zip");
        try {
            melding.writeDekryptertZip(zip);
            Map<String, String> files = new TreeMap<>();
            try (ZipInputStream in = new ZipInputStream(Files.newInputStream(zip))) {
                for (ZipEntry entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
                    byte[] digest = MessageDigest.getInstance("SHA-256").digest(in.readAllBytes());
                    files.put(entry.getName(), HexFormat.of().formatHex(digest));
                }
            }
            return files;
        } finally {
            Files.delete(zip);
        }
    }

    private Object answer(JsonNode order) {
        SvarSender svar = open.get(id(order, "meldingId"));
        return svar.svar(order.get("type").asText(), files(order)).getMeldingId().toString();
    }

    private Object settle(JsonNode order, Consumer<SvarSender> how) {
        how.accept(open.remove(id(order, "meldingId")));
        return true;
    }

    private Object close() throws IOException {
        klient.close();
        return true;
    }

    private static List<Payload> files(JsonNode order) {
        List<Payload> files = new ArrayList<>();
        order.get("files").forEach(file -> files.add(new FilePayload(Path.of(file.asText()))));
        return files;
    }

    private static Map<String, String> headers(JsonNode order) {
        Map<String, String> headers = new HashMap<>();
        order.get("headers").properties().forEach(one -> headers.put(one.getKey(), one.getValue().asText()));
        return headers;
    }
}
