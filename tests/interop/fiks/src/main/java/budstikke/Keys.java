package budstikke;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import no.ks.fiks.io.asice.model.KeystoreHolder;
import no.ks.fiks.maskinporten.Maskinportenklient;
import no.ks.fiks.maskinporten.MaskinportenklientProperties;

/** Keys and certificates from PEM files, in the shapes that KS's libraries want. */
final class Keys {
    static final String ALIAS = "key";
    static final String PASSWORD = "prove";

    private Keys() {}

    /** The certificates of a file, the owner's first. */
    static Certificate[] chain(Path file) throws IOException, GeneralSecurityException {
        String pem = Files.readString(file);
        byte[] certificates = pem.substring(pem.indexOf("-----BEGIN CERT")).getBytes(StandardCharsets.US_ASCII);
        return CertificateFactory.getInstance("X.509")
                .generateCertificates(new ByteArrayInputStream(certificates))
                .toArray(Certificate[]::new);
    }

    static X509Certificate certificate(Path file) throws IOException, GeneralSecurityException {
        return (X509Certificate) chain(file)[0];
    }

    /** The RSA key of a file, unencrypted PKCS#8. */
    static PrivateKey privateKey(Path file) throws IOException, GeneralSecurityException {
        String pem = Files.readString(file);
        String body = pem.substring(pem.indexOf("KEY-----") + "KEY-----".length(), pem.indexOf("-----END PRIVATE"));
        return KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(body)));
    }

    /** A virksomhetssertifikat with its key and chain, under ALIAS and PASSWORD. */
    static KeyStore keyStore(Path file) throws IOException, GeneralSecurityException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setKeyEntry(ALIAS, privateKey(file), PASSWORD.toCharArray(), chain(file));
        return store;
    }

    static KeystoreHolder holder(Path file) throws IOException, GeneralSecurityException {
        return KeystoreHolder.builder()
                .withKeyStore(keyStore(file))
                .withKeyStorePassword(PASSWORD)
                .withKeyAlias(ALIAS)
                .withKeyPassword(PASSWORD)
                .build();
    }

    /** KS's Maskinporten client, proven by the virksomhetssertifikat in the file "signer". */
    static Maskinportenklient maskinporten(JsonNode order) throws IOException, GeneralSecurityException {
        Path signer = Path.of(order.get("signer").asText());
        return Maskinportenklient.builder()
                .withPrivateKey(privateKey(signer))
                .usingVirksomhetssertifikat(certificate(signer))
                .withProperties(MaskinportenklientProperties.builder()
                        .audience(order.get("audience").asText())
                        .issuer(order.get("klientId").asText())
                        .tokenEndpoint(order.get("tokenEndpoint").asText())
                        .numberOfSecondsLeftBeforeExpire(10)
                        .build())
                .build();
    }
}
