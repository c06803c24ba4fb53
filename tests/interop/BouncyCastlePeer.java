// A peer made of BouncyCastle, as KS's and eFormidling's Java and .NET clients are. One command a line on standard input.

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;
import org.bouncycastle.asn1.DERNull;
import org.bouncycastle.asn1.nist.NISTObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.RSAESOAEPparams;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cms.CMSAlgorithm;
import org.bouncycastle.cms.CMSAuthEnvelopedData;
import org.bouncycastle.cms.CMSAuthEnvelopedDataGenerator;
import org.bouncycastle.cms.CMSEnvelopedDataParser;
import org.bouncycastle.cms.CMSEnvelopedDataStreamGenerator;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.cms.RecipientInformation;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSignerInfoGeneratorBuilder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.cms.jcajce.JceCMSContentEncryptorBuilder;
import org.bouncycastle.cms.jcajce.JceKeyTransAuthEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyTransEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyTransRecipientInfoGenerator;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.OutputAEADEncryptor;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;

public class BouncyCastlePeer {
    public static void main(String[] none) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            String answer;
            try {
                answer = run(line.split("\t"));
            } catch (Exception fault) {
                answer = "fault " + fault;
            }
            System.out.println(answer.replace('\n', ' '));
        }
    }

    private static String run(String[] words) throws Exception {
        switch (words[0]) {
            case "seal": return seal(words[1], certificates(words[2]).get(0), words[3], words[4]);
            case "open": return open(words[1], key(words[2]), words[3], words[4]);
            case "sign": return sign(words[1], words[2], words[3], words[4]);
            case "verify": return verify(words[1], words[2]);
            case "zip": return zip(words);
            case "unzip": return unzip(words[1], words[2]);
            default: return "fault unknown command";
        }
    }

    private static String seal(String mode, X509Certificate recipient, String in, String out) throws Exception {
        byte[] plain = Files.readAllBytes(Path.of(in));
        if (mode.equals("gcm")) {
            CMSAuthEnvelopedDataGenerator generator = new CMSAuthEnvelopedDataGenerator();
            generator.addRecipientInfoGenerator(oaep(recipient));
            OutputAEADEncryptor encryptor =
                    (OutputAEADEncryptor) new JceCMSContentEncryptorBuilder(CMSAlgorithm.AES256_GCM).setProvider("BC").build();
            Files.write(Path.of(out), generator.generate(new CMSProcessableByteArray(plain), encryptor).getEncoded());
            return "ok";
        }
        CMSEnvelopedDataStreamGenerator generator = new CMSEnvelopedDataStreamGenerator();
        if (mode.equals("v15") || mode.equals("net")) {
            generator.addRecipientInfoGenerator(new JceKeyTransRecipientInfoGenerator(recipient).setProvider("BC"));
        }
        if (!mode.equals("v15")) {
            generator.addRecipientInfoGenerator(oaep(recipient));
        }
        var cipher = mode.equals("dph") ? CMSAlgorithm.AES256_GCM : CMSAlgorithm.AES256_CBC;
        try (OutputStream file = Files.newOutputStream(Path.of(out));
                OutputStream sealed = generator.open(file, new JceCMSContentEncryptorBuilder(cipher).setProvider("BC").build())) {
            sealed.write(plain);
        }
        return "ok";
    }

    private static JceKeyTransRecipientInfoGenerator oaep(X509Certificate recipient) throws Exception {
        AlgorithmIdentifier sha256 = new AlgorithmIdentifier(NISTObjectIdentifiers.id_sha256, DERNull.INSTANCE);
        AlgorithmIdentifier mask = new AlgorithmIdentifier(PKCSObjectIdentifiers.id_mgf1, sha256);
        RSAESOAEPparams parameters = new RSAESOAEPparams(sha256, mask, RSAESOAEPparams.DEFAULT_P_SOURCE_ALGORITHM);
        AlgorithmIdentifier transport = new AlgorithmIdentifier(PKCSObjectIdentifiers.id_RSAES_OAEP, parameters);
        return new JceKeyTransRecipientInfoGenerator(recipient, transport).setProvider("BC");
    }

    private static String open(String mode, PrivateKey key, String in, String out) throws Exception {
        byte[] sealed = Files.readAllBytes(Path.of(in));
        if (mode.equals("gcm")) {
            RecipientInformation first = new CMSAuthEnvelopedData(sealed).getRecipientInfos().getRecipients().iterator().next();
            Files.write(Path.of(out), first.getContent(new JceKeyTransAuthEnvelopedRecipient(key).setProvider("BC")));
            return "ok";
        }
        CMSEnvelopedDataParser parser = new CMSEnvelopedDataParser(new ByteArrayInputStream(sealed));
        // The first recipient, whatever it says: so do KS's readers.
        RecipientInformation first = parser.getRecipientInfos().getRecipients().iterator().next();
        InputStream plain = first.getContentStream(new JceKeyTransEnvelopedRecipient(key).setProvider("BC")).getContentStream();
        Files.write(Path.of(out), plain.readAllBytes());
        return "ok";
    }

    private static String sign(String mode, String signer, String in, String out) throws Exception {
        List<X509Certificate> chain = certificates(signer);
        CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
        int signers = mode.equals("net") ? 2 : 1;
        String algorithm = mode.equals("java") ? "SHA1withRSA" : "SHA256withRSA";
        for (int count = 0; count < signers; count++) {
            var digests = new JcaDigestCalculatorProviderBuilder().setProvider("BC").build();
            var contentSigner = new JcaContentSignerBuilder(algorithm).setProvider("BC").build(key(signer));
            generator.addSignerInfoGenerator(
                    new JcaSignerInfoGeneratorBuilder(digests)
                            .setDirectSignature(mode.equals("direct"))
                            .build(contentSigner, chain.get(0)));
        }
        generator.addCertificates(new JcaCertStore(mode.equals("net") ? chain.subList(0, 1) : chain));
        byte[] content = Files.readAllBytes(Path.of(in));
        Files.write(Path.of(out), generator.generate(new CMSProcessableByteArray(content), false).getEncoded());
        return "ok";
    }

    private static String verify(String signature, String content) throws Exception {
        CMSProcessableByteArray signed = new CMSProcessableByteArray(Files.readAllBytes(Path.of(content)));
        CMSSignedData data = new CMSSignedData(signed, Files.readAllBytes(Path.of(signature)));
        for (SignerInformation signer : data.getSignerInfos().getSigners()) {
            X509CertificateHolder holder = (X509CertificateHolder) data.getCertificates().getMatches(signer.getSID()).iterator().next();
            if (!signer.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(holder))) {
                return "bad";
            }
        }
        return "ok " + data.getSignerInfos().size();
    }

    private static String zip(String[] words) throws Exception {
        try (ZipOutputStream archive = new ZipOutputStream(Files.newOutputStream(Path.of(words[1])))) {
            archive.setComment("mimetype=application/vnd.etsi.asic-e+zip");
            byte[] type = "application/vnd.etsi.asic-e+zip".getBytes(StandardCharsets.UTF_8);
            ZipEntry mimetype = new ZipEntry("mimetype");
            CRC32 crc = new CRC32();
            crc.update(type);
            mimetype.setMethod(ZipEntry.STORED);
            mimetype.setSize(type.length);
            mimetype.setCrc(crc.getValue());
            archive.putNextEntry(mimetype);
            archive.write(type);
            for (int at = 2; at < words.length; at += 2) {
                archive.putNextEntry(new ZipEntry(words[at]));
                archive.write(Files.readAllBytes(Path.of(words[at + 1])));
            }
        }
        return "ok";
    }

    private static String unzip(String in, String folder) throws Exception {
        List<String> names = new ArrayList<>();
        try (ZipInputStream archive = new ZipInputStream(Files.newInputStream(Path.of(in)))) {
            for (ZipEntry entry = archive.getNextEntry(); entry != null; entry = archive.getNextEntry()) {
                Files.write(Path.of(folder, "entry-" + names.size()), archive.readAllBytes());
                names.add(entry.getName());
            }
        }
        return "ok " + String.join("\t", names);
    }

    private static List<X509Certificate> certificates(String file) throws Exception {
        String pem = Files.readString(Path.of(file));
        InputStream certificates = new ByteArrayInputStream(pem.substring(pem.indexOf("-----BEGIN CERT")).getBytes(StandardCharsets.UTF_8));
        List<X509Certificate> found = new ArrayList<>();
        for (var one : CertificateFactory.getInstance("X.509").generateCertificates(certificates)) {
            found.add((X509Certificate) one);
        }
        return found;
    }

    private static PrivateKey key(String file) throws Exception {
        String pem = Files.readString(Path.of(file));
        String body = pem.substring(pem.indexOf("KEY-----") + 8, pem.indexOf("-----END PRIVATE"));
        return KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(body)));
    }
}
