"""What caseworkers read when a confidentiality rule stops a message (``barnevern.md`` 9), in bokmål, by the stop's code.

Each text names its rule and the fact, and says what to do. It holds no name, number or word of the message; in
which documents the fact is follows it (``texts.told``).
"""

from typing import Final

_BASIS: Final = {
    "r01-no-legal-basis": "R01: Hjemmel mangler. Oppgi hvilken lov og paragraf som gir adgang til å dele dette.",
    "r01-no-purpose": "R01: Formålet med delingen mangler. Oppgi det, eller la være å sende.",
    "r01-unknown-legal-basis": "R01: Hjemmelen er ikke blant dem denne meldingstypen kan sendes med. Avklar den før sending.",
}

_REPORTER: Final = {
    "r02-anonymous-reporter": "R02: Melderen er anonym og kan ikke skrives til. Trekk forsendelsen tilbake.",
    "r02-not-for-reporters": "R02: Mottakeren er en privat melder, men forsendelsen er skrevet for andre. En privat melder kan bare få bekreftelse på at meldingen er mottatt. Trekk forsendelsen tilbake.",
    "r02-feedback-missing": "R02: Det er ikke oppgitt hva den private melderen får vite. Send på nytt som bekreftelse på mottatt melding.",
    "r02-received-alone": "R02: En privat melder kan bare få vite at meldingen er mottatt, men tilbakemeldingen sier mer. Send på nytt med innhold MOTTATT.",
    "r02-case-number": "R02: Tilbakemeldingen til en privat melder har saksnummer, i forsendelsen eller i teksten. Fjern det og send på nytt.",
    "r02-tells-too-much": "R02: Et dokument til en privat melder er merket med innhold som melderen ikke kan få. Send bare bekreftelsen på at meldingen er mottatt.",
    "r02-contents-not-stated": "R02: Det er ikke oppgitt hva dokumentet til den private melderen inneholder. Oppgi det (inneholder), for eksempel INGEN, og send på nytt.",
    "r03-no-public-reporter": "R03: Tilbakemelding utover mottak går bare til offentlige meldere, og mottakeren er ikke registrert som det. Kontroller aktørtypen.",
    "r03-feedback-missing": "R03: Det er ikke oppgitt hva melderen får vite. Oppgi innholdet i tilbakemeldingen og send på nytt.",
    "r03-measures-not-needed": "R03: Tilbakemeldingen opplyser om tiltak uten at det er begrunnet hvorfor mottakeren trenger det. Oppgi nødvendighet, eller ta ut tiltakene.",
    "r04-reporter-not-stated": "R04: Det er ikke oppgitt hvem som meldte (melder). Oppgi typen melder, eller INGEN, og send på nytt.",
    "r04-tells-reporter": "R04: Et dokument til en part er merket med opplysninger om melderen, som skal være ukjent for partene. Fjern opplysningene og send på nytt.",
    "r04-contents-not-stated": "R04: Det er ikke oppgitt hva alle dokumentene inneholder. Oppgi det (inneholder) for hvert dokument til en part og send på nytt.",
    "r04-not-masked": "R04: Melderen skal være ukjent for partene, men et dokument er ikke sladdet og kontrollert. Sladd det, la en navngitt person bekrefte det, og send på nytt.",
    "r04-reporter-named": "R04: Melderens navn står i et dokument til en part, og melderen skal være ukjent. Fjern det og send på nytt. Er det en annen person med samme navn, kan to personer slippe forsendelsen.",
}

_ADDRESSES: Final = {
    "r05-strictly-confidential-letter": "R05: En av personene i saken har strengt fortrolig adresse (kode 6). Brevet kan ikke sendes digitalt. Avtal personlig overlevering og ta kontakt med den som har ansvar for adressesperrer.",
    "r05-strictly-confidential-paper": "R05: En av personene i saken har strengt fortrolig adresse (kode 6). Brevet kan ikke skrives ut og sendes her. Avtal personlig overlevering eller bud.",
    "r05-strictly-confidential-body": "R05: En av personene i saken har strengt fortrolig adresse (kode 6). Ingenting sendes til andre virksomheter herfra. Ta direkte kontakt med en navngitt person hos mottakeren.",
    "r05-grading-unknown": "R05: Adressegraderingen til en part er et ord vi ikke kjenner. Oppgi UGRADERT, FORTROLIG eller STRENGT_FORTROLIG og send på nytt.",
    "r05-child-not-stated": "R05: Barnet (HOVEDPERSON) står ikke blant partene, så det er ukjent om adressen er gradert. Oppgi barnet som part og send på nytt.",
    "r06-grading-differs": "R06: Folkeregisteret har gradert adressen til en part som står som ugradert her. Rett opp i fagsystemet, se gjennom dokumentene for adresseopplysninger og send på nytt.",
    "r06-confidential-paper": "R06: En av personene i saken har fortrolig adresse (kode 7). Da skrives ingenting ut. Velg en annen måte å levere på.",
    "r06-confidential-private": "R06: En annen person i saken har fortrolig adresse (kode 7). Forsendelsen kan bare gå til offentlige virksomheter. Velg personlig overlevering etter kontroll av innholdet.",
    "r06-confidential-own-letter": "R06: Mottakeren har selv fortrolig adresse (kode 7), og kommunen har ikke åpnet for digital post til slike mottakere. Velg personlig overlevering.",
    "r07-not-stated": "R07: Det er ikke oppgitt om adressen til hver part er skjult for noen (adresseSkjultFor). Oppgi rollene, eller en tom liste, og send på nytt.",
    "r07-tells-address": "R07: En parts adresse er skjult for mottakeren, og et dokument er merket med adresse eller mangler opplysning om innhold. Fjern adressen, oppgi innholdet og send på nytt.",
    "r07-address-found": "R07: Adressen som er skjult for mottakeren, står i et dokument. Fjern den og send på nytt.",
    "r07-not-masked": "R07: En parts adresse er skjult for mottakeren, men et dokument er ikke sladdet og kontrollert. Sladd det, la en navngitt person bekrefte det, og send på nytt.",
    "r07-address-not-given": "R07: En parts adresse er skjult for mottakeren, men verken oppgitt eller kjent fra Folkeregisteret, så dokumentene er ikke gjennomsøkt etter den. Oppgi adressen og send på nytt, eller la to personer lese dokumentene før de slipper forsendelsen.",
    "r07-not-screened": "R07: En parts adresse er skjult for mottakeren, og teksten i et dokument kunne ikke leses maskinelt. To personer må lese dokumentet før de slipper forsendelsen.",
}

_REGISTERS: Final = {
    "r08-no-answer": "R08: Folkeregisteret har ikke svart for alle partene og mottakeren, eller kjenner ikke en av dem. Kontroller fødselsnumrene og prøv igjen.",
    "r08-old-answer": "R08: Svaret fra Folkeregisteret er eldre enn 24 timer. Prøv igjen, så spørres det på nytt.",
    "r23-dead": "R23: Mottakeren eller en part er registrert død i Folkeregisteret. Rett opp partene i fagsystemet før noe sendes.",
    "r23-standing-unclear": "R23: Mottakeren eller en part har en uvanlig status i Folkeregisteret. Undersøk den; en navngitt person kan slippe forsendelsen.",
    "r23-emigrated": "R23: Mottakeren eller en part er registrert utflyttet. Undersøk om forsendelsen fortsatt er riktig; en navngitt person kan slippe den.",
    "r23-name-differs": "R23: Navnet på mottakeren eller en part er et annet i Folkeregisteret. Kontroller at det er rett person; en navngitt person kan slippe forsendelsen.",
}

_PARTIES: Final = {
    "r09-family-not-stated": "R09: Det er ikke oppgitt om foreldrene bor sammen (foreldresituasjon). Oppgi det og send på nytt.",
    "r09-not-masked": "R09: Foreldrene bor hver for seg eller er i konflikt, og et dokument har adresse-, helse- eller tredjepersonsopplysninger som ikke er sladdet, eller innholdet er ikke oppgitt. Sladd det andre ikke skal vite. En navngitt person kan slippe forsendelsen.",
    "r09-same-document": "R09: Foreldrene bor hver for seg eller er i konflikt, og samme dokument går også til en annen, eller det er ikke undersøkt. Lag et eget dokument til hver. En navngitt person kan slippe forsendelsen.",
    "r10-not-for-persons": "R10: Forsendelsen er skrevet for en virksomhet, men mottakeren er en privatperson eller representant. Trekk den tilbake og bruk en type for parter.",
    "r10-rights-not-stated": "R10: Det er ikke oppgitt at mottakeren har partsrettigheter i saken (rolle og partsrett). Avklar det og send på nytt.",
    "r10-no-rights": "R10: Mottakeren har ikke partsrettigheter i saken. Trekk forsendelsen tilbake.",
    "r11-authority-not-stated": "R11: Representantens fullmakt er ikke oppgitt med siste dag (fullmaktTil). Kontroller fullmakten, oppgi datoen og send på nytt.",
    "r11-authority-ended": "R11: Representantens fullmakt er utløpt. Innhent ny fullmakt, eller send til parten selv.",
    "r12-age-unknown": "R12: Mottakerens alder kan ikke leses av fødselsnummeret. Kontroller nummeret, eller velg en annen måte å levere på.",
    "r12-not-decided": "R12: Mottakeren er et barn under 15 år, og det er ikke oppgitt at det er besluttet at barnet skal få dette (besluttetForBarn). Avklar det og send på nytt.",
    "r12-same-document": "R12: Mottakeren er et barn under 15 år, og samme dokument går også til en annen, eller det er ikke undersøkt. Lag et eget dokument til barnet. En navngitt person kan slippe forsendelsen.",
    "r13-childs-words": "R13: Et dokument gjengir det barnet har sagt, og ingen har frigitt det (frigittAv). Ta ut barnets ord, eller la en navngitt person frigi dokumentet, og send på nytt.",
    "r13-contents-not-stated": "R13: Det er ikke oppgitt om et dokument gjengir det barnet har sagt. Oppgi innholdet (inneholder) og send på nytt.",
}

_LETTERS: Final = {
    "r14-not-asked": "R14: Kontakt- og reservasjonsregisteret har ikke svart. Prøv igjen.",
    "r14-reserved": "R14: Mottakeren har reservert seg mot digital post. Velg utskrift, personlig overlevering eller en annen vei.",
    "r14-not-registered": "R14: Mottakeren står ikke i kontakt- og reservasjonsregisteret. Velg utskrift, personlig overlevering eller en annen vei.",
    "r14-not-notifiable": "R14: Mottakeren har ingen digital postkasse og kan ikke varsles. Velg utskrift, personlig overlevering eller en annen vei.",
    "r14-no-mailbox": "R14: Mottakeren har ingen digital postkasse. Velg utskrift, personlig overlevering eller en annen vei.",
    "r15-print-not-released": "R15: Ingenting skrives ut av seg selv. En navngitt person må slippe nettopp dette brevet til utskrift.",
    "r15-print-needs-two": "R15: Brevet har særskilt innhold (klasse S eller G). To navngitte personer må slippe det til utskrift.",
    "r16-window-not-read": "R16: Det er ikke kontrollert hva som vises i konvoluttvinduet. Be driftsansvarlig kontrollere avsender og returadresse.",
    "r16-sender-not-neutral": "R16: Teksten i konvoluttvinduet røper avsenderen eller saken. Rett dokumentet, eller be driftsansvarlig rette avsender og returadresse.",
    "r16-not-registered-mail": "R16: Brevet kan ha en gradert adresse (klasse G) og må sendes rekommandert på papir. Oppgi det (rekommandert) og send på nytt.",
    "r17-notice-not-read": "R17: Det er ukjent hva mottakeren varsles med på denne veien. Be driftsansvarlig kontrollere varselteksten.",
    "r17-notice-not-neutral": "R17: Varselet til mottakeren røper avsenderen eller saken. Be driftsansvarlig rette varselteksten.",
}

_RECIPIENTS: Final = {
    "r18-account-changed": "R18: Mottakeren har en annen konto enn sist, eller det er ikke undersøkt. Kontroller mottakeren på en annen måte. To personer må slippe forsendelsen.",
    "r18-key-changed": "R18: Mottakeren har en annen nøkkel enn den forrige leverte forsendelsen ble forseglet for. Kontroller med mottakeren på en annen måte at nøkkelen er riktig. To personer må slippe forsendelsen, og det gjelder bare denne nøkkelen.",
    "r18-four-eyes": "R18: Det er første forsendelse til denne mottakeren, eller særskilt innhold (klasse S eller G) til en privatperson. To personer må kontrollere mottaker og innhold og slippe forsendelsen.",
    "r19-kind-unknown": "R19: Aktørtypen til mottakeren er ingen som kan få slike opplysninger. Rett opp aktørtypen og send på nytt.",
    "r19-person-as-body": "R19: Mottakeren er oppgitt som en virksomhet, men adressen er en privatpersons. Send til virksomhetens egen adresse.",
    "r19-unit-not-approved": "R19: Mottakeren er ikke en godkjent enhet. Finn nøyaktig riktig enhet og få den godkjent, eller la to personer slippe forsendelsen.",
}

_DOCUMENTS: Final = {
    "r20-protected-address": "R20: En beskyttet adresse står i et dokument. Fjern den og send på nytt.",
    "r20-foreign-number": "R20: Fødselsnummeret til en person som ikke er part, står i et dokument. Kontroller at det er riktig dokument. To personer kan slippe forsendelsen.",
    "r20-other-case": "R20: Et annet saksnummer står i et dokument. Kontroller at det er riktig dokument; en navngitt person kan slippe forsendelsen.",
    "r20-other-municipality": "R20: En annen kommune står som avsender i et dokument. Kontroller at det er riktig dokument; en navngitt person kan slippe forsendelsen.",
    "r20-not-screened": "R20: Teksten i et dokument kunne ikke leses maskinelt. Les dokumentet, også etter andres fødselsnummer; en navngitt person kan slippe forsendelsen.",
    "r21-parents-number": "R21: En forelders fødselsnummer står i et dokument til en omsorgsgiver eller privat virksomhet. Fjern det, eller oppgi hvorfor mottakeren trenger det (nødvendighet).",
    "r21-not-screened": "R21: Teksten i et dokument til en omsorgsgiver eller privat virksomhet kunne ikke leses maskinelt. Se etter foreldrenes fødselsnummer; en navngitt person kan slippe forsendelsen.",
}

_COURSE: Final = {
    "r24-repeated": "R24: Samme dokumenter er sendt eller på vei til samme mottaker de siste 30 dagene, eller det er ikke undersøkt. En navngitt person kan slippe forsendelsen.",
    "r25-retracted": "R25: Forsendelsen er trukket tilbake eller slettet av en senere melding, eller det er ikke undersøkt. Trekk den tilbake.",
    "r25-no-breach-report": "R25: En forsendelse som er sendt ved en feil, skal meldes som avvik før mottakeren bes slette den. Oppgi avviksreferansen og send på nytt.",
}

BY_RULE: Final[dict[str, str]] = {
    **_BASIS,
    **_REPORTER,
    **_ADDRESSES,
    **_REGISTERS,
    **_PARTIES,
    **_LETTERS,
    **_RECIPIENTS,
    **_DOCUMENTS,
    **_COURSE,
}
"""Every text, by code. How many persons a stop needs is also in ``guards.PERSONS``, which decides."""
