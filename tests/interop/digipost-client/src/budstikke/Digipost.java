package budstikke;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import no.digipost.api.client.BrokerId;
import no.digipost.api.client.DigipostClient;
import no.digipost.api.client.DigipostClientConfig;
import no.digipost.api.client.SenderId;
import no.digipost.api.client.representations.Document;
import no.digipost.api.client.representations.DocumentEvent;
import no.digipost.api.client.representations.DocumentStatus;
import no.digipost.api.client.representations.Identification;
import no.digipost.api.client.representations.IdentificationResult;
import no.digipost.api.client.representations.MessageDelivery;
import no.digipost.api.client.representations.PersonalIdentificationNumber;
import no.digipost.api.client.representations.PostmarkedMetadata;
import no.digipost.api.client.representations.Recipient;
import no.digipost.api.client.representations.Suggestion;
import no.digipost.api.client.representations.sender.SenderInformation;
import no.digipost.api.client.representations.sender.SenderStatus;
import no.digipost.api.client.security.Signer;

/** Digipost's Java client, one instance for each "name"; what it makes of an answer is the answer to the order. */
public final class Digipost {
    private Digipost() {}

    public static void main(String[] none) throws IOException {
        Map<String, DigipostClient> clients = new HashMap<>();
        Map<String, Lines.Job> jobs = new HashMap<>();
        jobs.put("connect", order -> {
            clients.put(name(order), connect(order));
            return name(order);
        });
        jobs.put("identify", order -> identified(clients.get(name(order)).identifyRecipient(asked(order))));
        jobs.put("sender", order -> told(clients.get(name(order)).getSenderInformation(sender(order))));
        jobs.put("send", order -> delivered(Letters.send(clients.get(name(order)), order)));
        jobs.put("events", order -> events(clients.get(name(order)), order));
        jobs.put("status", order -> status(clients.get(name(order)).getDocumentStatus(sender(order), uuid(order))));
        jobs.put("search", order -> found(clients.get(name(order)), order));
        jobs.put("suggest", order -> suggested(clients.get(name(order)), order));
        Lines.serve(jobs);
        System.exit(0); // the client's threads would keep the machine alive
    }

    private static DigipostClient connect(JsonNode order) throws IOException {
        Instant at = Instant.parse(order.get("at").asText());
        DigipostClientConfig config = DigipostClientConfig.newConfiguration()
                .digipostApiUri(URI.create(order.get("api").asText()))
                .clock(Clock.fixed(at, ZoneOffset.UTC))
                .build();
        try (InputStream keys = Files.newInputStream(Path.of(order.get("keys").asText()))) {
            Signer signer = Signer.usingKeyFromPKCS12KeyStore(keys, order.get("password").asText());
            return new DigipostClient(config, BrokerId.of(order.get("broker").asLong()), signer);
        }
    }

    private static String name(JsonNode order) {
        return order.has("name") ? order.get("name").asText() : "client";
    }

    private static SenderId sender(JsonNode order) {
        return SenderId.of(order.get("sender").asLong());
    }

    private static UUID uuid(JsonNode order) {
        return UUID.fromString(order.get("uuid").asText());
    }

    private static Identification asked(JsonNode order) {
        return new Identification(new PersonalIdentificationNumber(order.get("number").asText()));
    }

    private static Map<String, Object> identified(IdentificationResult result) {
        return fields(
                "result", result.getResult(),
                "alias", result.getPersonAlias(),
                "invalid", result.getInvalidReason(),
                "unidentified", result.getUnidentifiedReason());
    }

    private static Map<String, Object> told(SenderInformation sender) {
        boolean valid = sender.is(SenderStatus.VALID_SENDER);
        Map<String, String> features = new LinkedHashMap<>();
        if (valid) { // of any other the client has no list
            sender.getSupportedFeatures().forEach(one -> features.put(one.getName().identificator, one.getParam()));
        }
        return fields("id", sender.getSenderId(), "valid", valid, "features", features);
    }

    private static Map<String, Object> delivered(MessageDelivery delivery) {
        return fields(
                "id", delivery.getMessageId(),
                "channel", delivery.getChannel(),
                "status", delivery.getStatus(),
                "sender", delivery.getSenderId().map(SenderId::value).orElse(null),
                "at", delivery.getDeliveryTime(),
                "documents", delivery.getAllDocuments().map(Digipost::delivered).toList());
    }

    private static Map<String, Object> delivered(Document document) {
        return fields(
                "uuid", document.uuid,
                "subject", document.subject,
                "type", document.getDigipostFileType(),
                "level", document.authenticationLevel,
                "sensitivity", document.sensitivityLevel);
    }

    private static List<Map<String, Object>> events(DigipostClient client, JsonNode order) {
        SenderId sender = order.has("sender") ? sender(order) : null;
        ZonedDateTime from = ZonedDateTime.parse(order.get("from").asText());
        ZonedDateTime to = ZonedDateTime.parse(order.get("to").asText());
        int offset = order.path("offset").asInt(0);
        int most = order.path("most").asInt(100);
        return client.getDocumentEvents(sender, from, to, offset, most).getEvents().stream()
                .map(Digipost::event)
                .toList();
    }

    private static Map<String, Object> event(DocumentEvent event) {
        boolean postmarked = event.getMetadata() instanceof PostmarkedMetadata;
        return fields(
                "uuid", event.getUuid(),
                "type", event.getType(),
                "created", event.getCreated(),
                "documentCreated", event.getDocumentCreated(),
                "postmarked", postmarked ? ((PostmarkedMetadata) event.getMetadata()).postmarkedTime : null);
    }

    private static Map<String, Object> status(DocumentStatus status) {
        return fields(
                "uuid", status.uuid,
                "status", status.status,
                "channel", status.channel,
                "read", status.read,
                "primary", status.isPrimaryDocument,
                "hash", status.contentHash,
                "algorithm", status.contentHashAlgorithm,
                "delivered", status.delivered,
                "attachments", status.getAttachments().stream().map(Digipost::status).toList());
    }

    private static List<String> found(DigipostClient client, JsonNode order) {
        return client.search(order.get("text").asText()).getRecipients().stream()
                .map(Recipient::getDigipostAddress)
                .toList();
    }

    private static List<String> suggested(DigipostClient client, JsonNode order) {
        return client.getAutocompleteSuggestions(order.get("text").asText()).getSuggestions().stream()
                .map(Suggestion::getSearchString)
                .toList();
    }

    /** Names and values in turn; enumerations, ids and times as text, null where the client knows nothing. */
    private static Map<String, Object> fields(Object... told) {
        Map<String, Object> made = new LinkedHashMap<>();
        for (int at = 0; at < told.length; at += 2) {
            Object value = told[at + 1];
            boolean plain = value instanceof Number
                    || value instanceof Boolean
                    || value instanceof List
                    || value instanceof Map;
            made.put((String) told[at], plain ? value : Objects.toString(value, null));
        }
        return made;
    }
}
