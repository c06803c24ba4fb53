package budstikke;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import no.digipost.api.client.DigipostClient;
import no.digipost.api.client.SenderId;
import no.digipost.api.client.delivery.OngoingDelivery;
import no.digipost.api.client.representations.AuthenticationLevel;
import no.digipost.api.client.representations.Document;
import no.digipost.api.client.representations.EmailNotification;
import no.digipost.api.client.representations.FileType;
import no.digipost.api.client.representations.ListedTime;
import no.digipost.api.client.representations.Message;
import no.digipost.api.client.representations.MessageDelivery;
import no.digipost.api.client.representations.MessageRecipient;
import no.digipost.api.client.representations.NorwegianAddress;
import no.digipost.api.client.representations.PersonalIdentificationNumber;
import no.digipost.api.client.representations.PrintDetails;
import no.digipost.api.client.representations.PrintDetails.NondeliverableHandling;
import no.digipost.api.client.representations.PrintDetails.PrintColors;
import no.digipost.api.client.representations.PrintIfUnread;
import no.digipost.api.client.representations.PrintRecipient;
import no.digipost.api.client.representations.SensitivityLevel;
import no.digipost.api.client.representations.SmsNotification;

/** A letter as an order tells it: what is not told is left to the client. */
final class Letters {
    private record Enclosed(Document document, Path file) {
        InputStream content() throws IOException {
            return new ByteArrayInputStream(Files.readAllBytes(file));
        }
    }

    private final JsonNode order;
    private final List<Enclosed> enclosed = new ArrayList<>();

    private Letters(JsonNode order) {
        this.order = order;
        for (JsonNode one : order.get("documents")) {
            enclosed.add(new Enclosed(document(one), Path.of(one.get("file").asText())));
        }
    }

    /** Sends the letter of this order: to a person, printed where the person is no user and "print" is told, or printed alone. */
    static MessageDelivery send(DigipostClient client, JsonNode order) throws IOException {
        Letters letter = new Letters(order);
        return order.has("number") ? letter.sendToPerson(client) : letter.sendToPrinter(client);
    }

    private MessageDelivery sendToPerson(DigipostClient client) throws IOException {
        PersonalIdentificationNumber number = new PersonalIdentificationNumber(order.get("number").asText());
        boolean printed = order.path("print").asBoolean();
        MessageRecipient person = printed ? new MessageRecipient(number, printDetails()) : new MessageRecipient(number);
        OngoingDelivery.WithPrintFallback delivery = client.createMessage(message(person));
        OngoingDelivery.SendableWithPrintFallback ready = null;
        for (Enclosed one : enclosed) {
            ready = delivery.addContent(one.document, one.content());
        }
        return ready.send();
    }

    private MessageDelivery sendToPrinter(DigipostClient client) throws IOException {
        Message letter = message(new MessageRecipient(printDetails()));
        OngoingDelivery.ForPrintOnly delivery = client.createPrintOnlyMessage(letter);
        OngoingDelivery.SendableForPrintOnly ready = null;
        for (Enclosed one : enclosed) {
            ready = delivery.addContent(one.document, one.content());
        }
        return ready.send();
    }

    private Message message(MessageRecipient recipient) {
        List<Document> documents = enclosed.stream().map(Enclosed::document).toList();
        Message.MessageBuilder made = Message.newMessage(order.get("id").asText(), documents.get(0))
                .senderId(SenderId.of(order.get("sender").asLong()))
                .recipient(recipient)
                .attachments(documents.subList(1, documents.size()));
        if (order.has("deliveryTime")) {
            made.deliveryTime(time(order, "deliveryTime"));
        }
        if (order.has("printIfUnreadAfter")) {
            made.printIfUnread(new PrintIfUnread(time(order, "printIfUnreadAfter"), printDetails()));
        }
        return made.build();
    }

    private static Document document(JsonNode told) {
        Document made = new Document(
                UUID.fromString(told.get("uuid").asText()),
                told.get("subject").asText(),
                new FileType("pdf"),
                told.has("receipt") ? told.get("receipt").asText() : null,
                told.has("smsAfterHours") ? new SmsNotification(told.get("smsAfterHours").asInt()) : null,
                told.has("email") ? email(told.get("email")) : null,
                told.has("level") ? AuthenticationLevel.valueOf(told.get("level").asText()) : null,
                told.has("sensitivity") ? SensitivityLevel.valueOf(told.get("sensitivity").asText()) : null);
        return told.path("sealed").asBoolean() ? made.encrypt() : made;
    }

    private static EmailNotification email(JsonNode told) {
        List<ListedTime> times = List.of(new ListedTime(time(told, "at")));
        return new EmailNotification(
                told.get("address").asText(), told.get("subject").asText(), told.get("text").asText(), times);
    }

    private static PrintDetails printDetails() {
        return new PrintDetails(
                new PrintRecipient("Kari Nordmann", new NorwegianAddress("Prøveveien 1", "5003", "Bergen")),
                new PrintRecipient("Prøve kommune", new NorwegianAddress("Postboks 1", "5020", "Bergen")),
                PrintColors.MONOCHROME,
                NondeliverableHandling.RETURN_TO_SENDER);
    }

    private static ZonedDateTime time(JsonNode told, String name) {
        return ZonedDateTime.parse(told.get(name).asText());
    }
}
