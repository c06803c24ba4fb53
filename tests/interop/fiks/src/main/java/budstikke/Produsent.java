package budstikke;

import com.fasterxml.jackson.databind.JsonNode;
import jakarta.ws.rs.client.Client;
import jakarta.ws.rs.client.ClientBuilder;
import jakarta.ws.rs.client.Entity;
import jakarta.ws.rs.client.Invocation;
import jakarta.ws.rs.core.GenericType;
import jakarta.ws.rs.core.MediaType;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.LocalDateTime;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import no.ks.fiks.io.asice.AsicHandler;
import no.ks.fiks.io.asice.model.StreamContent;
import no.ks.fiks.maskinporten.AccessTokenRequest;
import no.ks.fiks.maskinporten.Maskinportenklient;
import no.ks.kryptering.CMSKrypteringImpl;
import org.glassfish.jersey.media.multipart.FormDataMultiPart;
import org.glassfish.jersey.media.multipart.MultiPart;
import org.glassfish.jersey.media.multipart.MultiPartFeature;
import org.glassfish.jersey.media.multipart.file.StreamDataBodyPart;

/**
 * Sends a public report over the producer API, the way of KS's own producer client: the same calls with the same library
 * (Jersey), KS's token, container and CMS libraries, answers read as strictly, and no look at any status.
 */
public final class Produsent {
    // The fields of version 1 and no others: an unknown one, or a time with an offset, is an error (decisions 4.1).
    record Bydel(String bydelsnummer, String bydelsnavn, boolean standardMottaker) {}

    record Nokkel(
            String nokkel,
            LocalDateTime validFrom,
            LocalDateTime validTo,
            String serial,
            String subjectDN,
            String issuerDN) {
        X509Certificate certificate() throws CertificateException {
            InputStream pem = new ByteArrayInputStream(nokkel.getBytes(StandardCharsets.US_ASCII));
            return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(pem);
        }
    }

    record Krypteringsnokler(Nokkel printOffentligNokkel, Nokkel fiksIOOffentligNokkel) {}

    record BekymringsmeldingId(UUID uuid) {}

    record Historikk(UUID bekymringsmeldingId, LocalDateTime tidspunkt, String tilstand, String beskrivelse) {}

    private static final String SCOPE = "ks:fiks";

    private final Client http = ClientBuilder.newBuilder().register(MultiPartFeature.class).build();
    private final CMSKrypteringImpl cms = new CMSKrypteringImpl();
    private final ExecutorService threads = Executors.newFixedThreadPool(2);
    private final JsonNode settings;
    private final Maskinportenklient tokens;
    private final AsicHandler containers;

    private Produsent(JsonNode settings) throws IOException, GeneralSecurityException {
        this.settings = settings;
        this.tokens = Keys.maskinporten(settings);
        this.containers = AsicHandler.builder()
                .withExecutorService(threads)
                .withKeyStoreHolder(Keys.holder(Path.of(settings.get("signer").asText())))
                .build();
    }

    /** The first order is "connect", which holds the settings. */
    public static void main(String[] none) throws IOException {
        Produsent[] made = new Produsent[1];
        Lines.serve(Map.of(
                "connect", order -> {
                    made[0] = new Produsent(order);
                    return true;
                },
                "bydeler", order -> made[0].bydeler(order.get("kommunenummer").asText()),
                "send", order -> made[0].send(order),
                "status", order -> made[0].status(order.get("uuid").asText())));
        System.exit(0); // the library's threads would keep the machine alive
    }

    private List<Bydel> bydeler(String kommunenummer) {
        return call("kommuner", kommunenummer, "bydeler").get().readEntity(new GenericType<List<Bydel>>() {});
    }

    /** Seals "json" and "pdf" to the municipality's standard receiver and uploads both parts; gives the report's id. */
    private Object send(JsonNode order) throws Exception {
        String kommunenummer = order.get("kommunenummer").asText();
        String bydelsnummer = bydeler(kommunenummer).stream()
                .filter(Bydel::standardMottaker)
                .findFirst()
                .orElseThrow()
                .bydelsnummer();
        Krypteringsnokler keys = call("mottak", "fagsystem", kommunenummer, bydelsnummer, "krypteringsnokler")
                .get()
                .readEntity(Krypteringsnokler.class);
        byte[] pdf = Files.readAllBytes(Path.of(order.get("pdf").asText()));
        InputStream container = containers.encrypt(
                keys.fiksIOOffentligNokkel().certificate(),
                List.of(
                        new StreamContent(Files.newInputStream(Path.of(order.get("json").asText())), "bekymringsmelding.json"),
                        new StreamContent(new ByteArrayInputStream(pdf), "bekymringsmelding.pdf")));
        MultiPart parts = new FormDataMultiPart()
                .bodyPart(new StreamDataBodyPart("bekymringsmelding", printed(pdf, keys), "bekymringsmelding.pdf"))
                .bodyPart(new StreamDataBodyPart("asice", container, "asice.zip"));
        return call("mottak", "fagsystem", settings.get("fiksOrgId").asText(), kommunenummer, bydelsnummer, "offentlig")
                .post(Entity.entity(parts, parts.getMediaType()))
                .readEntity(BekymringsmeldingId.class)
                .uuid();
    }

    private InputStream printed(byte[] pdf, Krypteringsnokler keys) throws CertificateException {
        ByteArrayOutputStream sealed = new ByteArrayOutputStream();
        cms.krypterData(sealed, new ByteArrayInputStream(pdf), keys.printOffentligNokkel().certificate());
        return new ByteArrayInputStream(sealed.toByteArray());
    }

    /** The report's history, oldest first, as the states alone. */
    private List<String> status(String uuid) {
        return call("mottak", "fagsystem", settings.get("fiksOrgId").asText(), "bekymringsmelding", uuid, "status")
                .get()
                .readEntity(new GenericType<List<Historikk>>() {})
                .stream()
                .map(Historikk::tilstand)
                .toList();
    }

    private Invocation.Builder call(String... path) {
        AccessTokenRequest scope = AccessTokenRequest.builder().scope(SCOPE).build();
        return http.target(settings.get("base").asText())
                .path("api/v1")
                .path(String.join("/", path))
                .request(MediaType.APPLICATION_JSON_TYPE)
                .header("IntegrasjonId", settings.get("integrasjonId").asText())
                .header("IntegrasjonPassord", settings.get("integrasjonPassord").asText())
                .header("Authorization", "Bearer " + tokens.getAccessToken(scope));
    }
}
