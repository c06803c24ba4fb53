package budstikke;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import no.difi.asic.AsicVerifier;
import no.difi.asic.AsicVerifierFactory;
import no.ks.fiks.io.asice.AsicHandler;
import no.ks.fiks.io.asice.model.Content;
import no.ks.fiks.io.asice.model.StreamContent;
import no.ks.kryptering.CMSKrypteringImpl;

/** Seals and opens with KS's ASiC-E and CMS libraries; no network. */
public final class Container {
    private static final ExecutorService THREADS = Executors.newCachedThreadPool(work -> {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        return thread;
    });
    private static final CMSKrypteringImpl CMS = new CMSKrypteringImpl();

    private Container() {}

    public static void main(String[] none) throws IOException {
        Lines.serve(Map.of(
                "seal", Container::seal,
                "open", Container::open,
                "encrypt", Container::encrypt,
                "decrypt", Container::decrypt));
    }

    /** Signs with "signer" and seals to "recipient" the "files" [[name, path], ...] into "out". */
    private static Object seal(JsonNode order) throws Exception {
        try (AsicHandler handler = handler(order, List.of());
                InputStream sealed = handler.encrypt(Keys.certificate(path(order, "recipient")), contents(order));
                OutputStream out = Files.newOutputStream(path(order, "out"))) {
            return sealed.transferTo(out);
        }
    }

    /** Opens "in" with "key" as a receiver does; the files go to the ZIP "out". */
    private static Object open(JsonNode order) throws Exception {
        PrivateKey key = Keys.privateKey(path(order, "key"));
        try (AsicHandler handler = handler(order, List.of(key));
                InputStream in = Files.newInputStream(path(order, "in"))) {
            handler.writeDecrypted(in, path(order, "out"));
        }
        // In memory: the verifier closes a stream that it has not read to its end, which a cipher takes for a fault.
        return verified(new ByteArrayInputStream(CMS.dekrypterData(Files.readAllBytes(path(order, "in")), key)));
    }

    /** What the container's own library says of it after reading all of it: who signed. */
    private static Map<String, Object> verified(InputStream container) throws IOException {
        AsicVerifier verifier = AsicVerifierFactory.newFactory().verify(container);
        List<byte[]> signers = new ArrayList<>();
        verifier.getAsicManifest().getCertificate().forEach(one -> signers.add(one.getCertificate()));
        return Map.of("signers", signers);
    }

    /** Encrypts "in" to "recipient" into "out", as the print part is. */
    private static Object encrypt(JsonNode order) throws IOException, GeneralSecurityException {
        try (InputStream in = Files.newInputStream(path(order, "in"));
                OutputStream out = Files.newOutputStream(path(order, "out"))) {
            CMS.krypterData(out, in, Keys.certificate(path(order, "recipient")));
        }
        return Files.size(path(order, "out"));
    }

    /** Decrypts "in" with "key" into "out": with "whole" the way that takes it all in memory, else as a stream. */
    private static Object decrypt(JsonNode order) throws IOException, GeneralSecurityException {
        PrivateKey key = Keys.privateKey(path(order, "key"));
        if (order.get("whole").asBoolean()) {
            byte[] plain = CMS.dekrypterData(Files.readAllBytes(path(order, "in")), key);
            Files.write(path(order, "out"), plain);
            return (long) plain.length;
        }
        try (InputStream plain = CMS.dekrypterData(Files.newInputStream(path(order, "in")), key)) {
            return Files.copy(plain, path(order, "out"));
        }
    }

    private static AsicHandler handler(JsonNode order, List<PrivateKey> keys) throws IOException, GeneralSecurityException {
        return AsicHandler.builder()
                .withExecutorService(THREADS)
                .withPrivateNokler(keys)
                .withKeyStoreHolder(Keys.holder(path(order, "signer")))
                .build();
    }

    private static List<Content> contents(JsonNode order) throws IOException {
        List<Content> contents = new ArrayList<>();
        for (JsonNode file : order.get("files")) {
            contents.add(new StreamContent(Files.newInputStream(Path.of(file.get(1).asText())), file.get(0).asText()));
        }
        return contents;
    }

    private static Path path(JsonNode order, String name) {
        return Path.of(order.get(name).asText());
    }
}
