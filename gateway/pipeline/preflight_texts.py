"""What caseworkers read when a letter's files keep it here (``gateway.letters.preflight``), in bokmål, by the fault's code.

Each text says what is wrong with the document and what to change; document and pages follow it (``texts.told``).
"""

from typing import Final

_NO_ROAD_TAKES: Final = {
    "file-type-not-allowed": "Et vedlegg er av en filtype som ikke kan sendes på denne veien. Lagre det som PDF og send på nytt.",
    "pdf-password": "PDF-en er beskyttet med passord eller sperrer. Lagre den uten beskyttelse og send på nytt.",
    "pdf-broken": "PDF-en er ødelagt og kan ikke åpnes slik den er. Lag den på nytt og send den.",
    "pdf-too-hard": "PDF-en er så tung eller merkelig bygget at den ikke kunne undersøkes. Lag den på nytt, for eksempel ved å skrive den ut til PDF.",
    "pdf-no-pages": "PDF-en har ingen sider. Lag den på nytt og send den.",
    "pdf-too-many-pages": "Brevet har for mange sider for denne veien. Del det opp, eller velg en annen vei.",
    "pdf-too-large": "Brevet er for stort for denne veien. Gjør bildene mindre, del det opp, eller velg en annen vei.",
    "pdf-script": "PDF-en inneholder et program (skript). Lagre den uten, for eksempel ved å skrive den ut til PDF, og send på nytt.",
    "pdf-launch": "PDF-en kan åpne eller starte noe utenfor seg selv. Fjern koblingen eller skriv den ut til PDF, og send på nytt.",
    "pdf-embedded-file": "PDF-en har en fil, film eller lyd inni seg. Ta den ut, legg den eventuelt ved som egen PDF, og send på nytt.",
    "pdf-form": "PDF-en er et skjema som kan vise forskjellig innhold (XFA). Skriv det ut til PDF og send på nytt.",
    "pdf-metadata-names": "Egenskapene til PDF-en (tittel, forfatter, emne, stikkord) røper hvem eller hva brevet gjelder. Tøm dem og send på nytt.",
    "pdf-font-not-embedded": "PDF-en bruker en skrift som ikke følger med i filen. Lagre den med innebygde skrifter (PDF/A) og send på nytt.",
}

_PRINT_DOES_NOT_TAKE: Final = {
    "pdf-not-a4": "En side har ikke størrelsen A4, og kan ikke skrives ut. Lag siden som A4 og send på nytt, eller velg en digital vei.",
    "pdf-version": "PDF-en er av en nyere versjon enn utskriften tar imot. Lagre den som PDF/A eller PDF 1.7 og send på nytt.",
    "pdf-margin": "En side har tekst i venstre marg, der utskriften trenger plass. Gjør margen bredere (20 mm) og send på nytt.",
}

BY_FAULT: Final[dict[str, str]] = {**_NO_ROAD_TAKES, **_PRINT_DOES_NOT_TAKE}
"""Every text, by code. None of these holds can be released: the file must be another."""
