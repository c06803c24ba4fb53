"""Every bound of the system, with unit and reason. Configuration may lower or raise those it names as settings."""

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

GIVE_WAY_S_MAX: Final = 0.05  # before each step of other work, while concern reports are in hand: twice what one takes

# At rest and in flight
CHUNK_BYTES: Final = 64 * KIB  # fastest for AES-CBC and GCM as measured; also one at-rest chunk of plaintext
INLINE_PAYLOAD_BYTES_MAX: Final = 256 * KIB  # larger payloads are files beside the database
BODY_BYTES_MAX_DEFAULT: Final = 64 * MIB  # KS allows 5 MB; room for scanned attachments
DISK_FLOOR_BYTES: Final = 1 * GIB  # below it everything but concern reports is answered 507

# CMS (crypto-profile 2.2)
BER_DEPTH_MAX: Final = 12
BER_LENGTH_OCTETS_MAX: Final = 8
BER_VALUES_MAX: Final = 10_000  # in one series: each costs far more time and memory than its octets
BER_SMALL_PIECE_BYTES: Final = 64  # pieces of an octet string below this ...
BER_SMALL_PIECES_MAX: Final = 1000  # ... may not be many: each costs as much work as a large one
CMS_HEADER_BYTES_MAX: Final = 1 * MIB  # everything before the ciphertext
CMS_RECIPIENTS_MAX: Final = 50
CMS_SIGNERS_MAX: Final = 10  # the official .NET client makes two
CMS_CERTIFICATES_MAX: Final = 50
CERTIFICATE_BYTES_MAX: Final = 16 * KIB  # what was read of a thousand of them is remembered
CMS_CERTIFICATES_BYTES_MAX: Final = 64 * KIB  # all that are enclosed; so is the path found among them
RSA_BITS_MIN: Final = 2048
KEY_FILE_BYTES_MAX: Final = 1 * MIB  # a private key with its certificates
TOKEN_CERTIFICATES_MAX: Final = 256  # of one token, searched for the one that fits a key
TOKEN_RETRY_S: Final = 5.0  # a key in a token that is away is asked for again after this

# Revocation (crypto-profile 5)
REVOCATION_BYTES_MAX: Final = 32 * MIB  # one CRL
REVOCATION_KEEP_S: Final = 3600  # a good CRL or answer is asked for again after this, and used until its next update
REVOCATION_RETRY_S: Final = 60  # a failing source is asked at most this often
REVOCATION_ANSWERS_MAX: Final = 4096  # OCSP answers kept
REVOCATION_SKEW_S: Final = 300  # issuers' clocks

# ASiC-E (crypto-profile 3.3)
ZIP_ENTRIES_MAX: Final = 100
ZIP_RATIO_MAX: Final = 100
ZIP_RATIO_FREE_BYTES: Final = 1 * MIB  # the ratio counts above this much inflated data
ZIP_INFLATED_BYTES_MAX: Final = 2 * GIB
ZIP_META_BYTES_MAX: Final = 1 * MIB  # each file under META-INF
ZIP_NAME_CHARS_MAX: Final = 200
MEDIA_TYPE_CHARS_MAX: Final = 128  # of a document; the column's width

# Evidence log
NOTE_BYTES_MAX: Final = 64 * KIB  # a checkpoint is a few hundred octets
NOTE_SIGNATURES_MAX: Final = 32
WITNESSES_MAX: Final = 16  # of one log
SHRED_LIST_LINE_BYTES_MAX: Final = 128  # an id and a time
TIME_STAMP_BYTES_MAX: Final = 64 * KIB  # a response is a few KiB: certificates of the authority
TIME_STAMP_SERIAL_BYTES_MAX: Final = 21  # RFC 3161 section 2.4.2: 160 bits, and the sign's octet
TIME_STAMP_S_MAX: Final = 10.0  # one question to an authority ...
TIME_STAMP_TRIES_MAX: Final = 3  # ... repeated where that may help; then the next head asks anew

# Backup
PASSPHRASE_BYTES_MIN: Final = 20  # guesses at a backup's passphrase are made by the thief's machines, not by ours
BACKUP_BYTES_MAX: Final = 60 * GIB  # of one backup sealed for a certificate: AES-GCM ends below 64 GiB under one key
BACKUP_MEMBER_BYTES_MAX: Final = 1024 * GIB
BACKUP_BALANCE_DAYS: Final = 7  # days whose balance is looked at after a restore

CONFIGURATION_BYTES_MAX: Final = 256 * KIB  # one file of it

# JSON
JSON_VALIDATED_BYTES_MAX: Final = 4 * MIB  # a larger report is delivered unvalidated, with a warning
JSON_DEPTH_MAX: Final = 64
JSON_VALUES_MAX: Final = 20_000  # commas and brackets: a value of two octets becomes hundreds when it is refused
JSON_NUMBER_CHARS_MAX: Final = 1000  # digits of one number
REQUEST_JSON_BYTES_MAX: Final = 1 * MIB

# Multipart
PARTS_MAX: Final = 32
PART_HEADER_BYTES_MAX: Final = 8 * KIB

# Tokens
TOKEN_BYTES_MAX: Final = 8 * KIB
TOKEN_LEEWAY_S: Final = 10
JWKS_BYTES_MAX: Final = 256 * KIB
JWKS_FETCH_INTERVAL_S_MIN: Final = 60  # an unknown kid causes at most one fetch per issuer and minute
JWKS_RETRY_S: Final = 5  # a fetch that failed is repeated after this while no set is at hand: nobody is let in then
JWKS_KEEP_S: Final = 24 * 3600  # a failing fetch keeps the last good set this long
JWKS_REFRESH_S: Final = 3600  # a set older than this is fetched again, so that withdrawn keys go
TOKENS_CACHED_MAX: Final = 4096  # verified tokens remembered by their SHA-256

# Tokens that we buy at Maskinporten (fiks.md 2.3)
TOKEN_ANSWER_BYTES_MAX: Final = 64 * KIB
TOKEN_MARGIN_S: Final = 30  # a token is not given out for the last half minute of its life
TOKEN_FETCH_S_MAX: Final = 10.0  # one try
TOKEN_TRIES_MAX: Final = 3  # of one fetch, each with a grant of its own
TOKEN_REFUSED_S: Final = 60.0  # a refusal is not asked about again before this: it waits for a person
TOKEN_FAULTS_MAX: Final = 6  # tries in a row without an answer, after which the issuer is left alone ...
TOKEN_BREAK_S: Final = 30.0  # ... for so long

PARTNER_ANSWER_BYTES_MAX: Final = 256 * KIB  # one JSON answer of a partner's service
PARTNER_XML_BYTES_MAX: Final = 1 * MIB  # one XML answer: a page of a hundred events is some 40 KiB
LOOKUP_S_MAX: Final = 15.0  # one question to a register of people, its token included: then it counts as no answer
RESIDENT_AGE_S_MAX: Final = 24 * 3600  # R08: what Folkeregisteret said before is no answer
CONTACT_AGE_S_MAX: Final = 600  # R14: KRR is asked for every attempt, and an attempt is decided soon after
RESIDENT_KEEP_S: Final = 23 * 3600.0  # R08: 24 h at most, and what is decided by it must be done within them, too
RESIDENTS_KEPT_MAX: Final = 10_000  # by one process
PERSON_NAME_CHARS_MAX: Final = 500  # as a register writes it
AWAITED_MAX: Final = 1000  # parcels of one partner that are asked about in one round, the newest

# Case system
CLAIM_MAX: Final = 50
LIST_MAX: Final = 100
LEASE_S_MIN: Final = 60
LEASE_S_MAX: Final = 3600
LONG_POLL_S_MAX: Final = 30
READBACK_TRIES_MAX: Final = 3
REFERENCE_CHARS_MAX: Final = 200  # a case system's own, or a person's for a report registered by hand

# People
PERSON_CHARS_MAX: Final = 64  # a user id, as the journal's actor
REASON_CHARS_MAX: Final = 1000  # as long as what a case system may write

# Balance
PORTAL_LIST_BYTES_MAX: Final = 16 * MIB  # a day's list has some hundred lines; a year's fits
PORTAL_LIST_ROWS_MAX: Final = 100_000
PORTAL_LIST_SHOWN_MAX: Final = 1000  # unmatched rows printed; all are counted

# Outbound
ENVELOPE_LIST_MAX: Final = 50  # children, parties, legal bases of one message
IDEMPOTENCY_KEY_CHARS_MAX: Final = 200

# Store and engine
BURST_UNITS_MAX: Final = 64  # units of work in one group commit
BURST_WAIT_S_MAX: Final = 0.005
SEQUENCER_ROWS_MAX: Final = 32  # in one turn of the writer: reports wait for no more
LOST_ENTRIES_BACK: Final = 10_000  # among which upkeep looks for entries that nobody will number
CLOCK_JUMP_S: Final = 5.0
NEIGHBOURS_WAIT_S: Final = 1.0  # what was claimed together with a slow effect is given to others after this
POISON_DEATHS_MAX: Final = 3
POISON_DEATHS_MAX_CONCERN: Final = 5
OPEN_FILES_MIN: Final = 8192  # two listeners full of connections, the store and the payload files
INODES_MIN: Final = 10_000
HOST_FILES_MAX: Final = 10_000  # looked at for their modes by check-host
ORPHAN_FILE_AGE_S: Final = 24 * 3600

# Check of the evidence log
LOG_CHECK_ROWS: Final = 1000  # read at once: leaves with their entries
LOG_CHECK_MESSAGES: Final = 20  # whose rows are read at once: each may have several records of 256 KiB
FINDINGS_KEPT_MAX: Final = 1000  # what comes after is only counted

# Schemas
SCHEMA_FLAWS_MAX: Final = 50  # flaws told of one document
SCHEMA_ITEMS_MAX: Final = 100  # items of one array searched for flaws; the verdict itself counts them all

# HTTP edge
HEAD_S_MAX: Final = 10.0  # a request's line and headers must be complete this long after their first byte
BODY_RATE_MIN: Final = 1000  # bytes a second of a body, over the time waited for it
STALL_S_MAX: Final = 60.0  # a reader of an answer that takes nothing for this long is cut
CONNECTIONS_MAX: Final = 2048  # open connections of one listener
CASE_SYSTEM_REQUESTS_MAX: Final = 256  # in work at once on the case systems' listener, long polls included
CASE_SYSTEM_REQUESTS_PER_CLIENT_MAX: Final = 16
LONG_POLLS_MAX: Final = 128  # of the requests in work, so that waiting ones never fill the listener
LONG_POLLS_PER_CLIENT_MAX: Final = 4
WEBHOOK_ORDERS_PER_MINUTE: Final = 6  # each makes us call an address that the client names
FETCH_AGAIN_S: Final = 2.0  # a large part is asked for again after this while another one is being fetched
BELLS_AT_ONCE: Final = 16  # webhooks being called by one process
SHUTDOWN_S: Final = 10.0  # requests in work at shutdown get this long
PART_NAME_CHARS_MAX: Final = 100
FAILED_LOGIN_FREE: Final = 5  # failed logins of one address before its refusals are delayed
FAILED_LOGIN_DELAY_S_MAX: Final = 5.0
FAILED_LOGIN_ADDRESSES_MAX: Final = 10_000  # addresses remembered

# Quotas of one client (S43); configuration may change the first three
INTAKE_BYTES_PER_MINUTE: Final = 256 * MIB  # sent to us; below what one core opens in a minute
UNFINISHED_BYTES_MAX: Final = 4 * GIB  # stored here and not finished; above it the client is slowed and it rings
CASE_SYSTEM_BYTES_PER_MINUTE: Final = 1 * GIB  # sent to us or fetched
MESSAGE_OVERHEAD_BYTES: Final = 64 * KIB  # what a message counts beside its octets: rows, journal entries, opening
OVER_QUOTA_WEIGHT: Final = 10  # above its unfinished bytes a client's octets count so many times

# Roads that are fetched from
INBOUND_AT_ONCE: Final = 4  # deliveries of one road being stored at once
SEND_BYTES_PER_S_MIN: Final = 256 * KIB  # a call may last so much longer than ``flow.send_s_max`` (fiks.md 5.4)
CARRIER_AHEAD_S: Final = 300.0  # so far a carrier's clock may go before ours
GIVE_BACK_AFTER_S: Final = 30.0  # before a delivery that cannot be stored is given back: partners count how often

# Letters: what one PDF may cost the process that reads it
PDF_BYTES_MAX: Final = 128 * MIB
PDF_READ_S_MAX: Final = 10.0  # of processor time; a page takes some milliseconds
PDF_WAIT_S_MAX: Final = 60.0  # of wall time, after which something else than the PDF holds its reader up
PDF_MEMORY_BYTES_MAX: Final = 512 * MIB  # address space: the libraries take 60 MiB, and a PDF its own size at least
PDF_READER_PDFS: Final = 200  # so many are read by one process, then by a fresh one
PDF_PAGES_MAX: Final = 1000  # a longer one is not looked at; no road takes it
PDF_NODES_MAX: Final = 500_000  # names, lists and dictionaries of its objects that are walked
PDF_DEPTH_MAX: Final = 100  # of lists and dictionaries in one object
PDF_TEXT_CHARS_MAX: Final = 2_000_000  # what has more was not read
PDF_ASIDES_MAX: Final = 10_000  # form fields, notes and headings
PDF_ANSWER_BYTES_MAX: Final = 32 * MIB
ADDRESS_LINE_CHARS_MAX: Final = 200  # that an envelope states or a register tells; a screening looks for all of it
HOLD_DOCUMENTS_TOLD: Final = 5  # that a hold names; the journal's list of fields bounds them alike
HOLD_PAGES_TOLD: Final = 10  # of each
SCREENED_TEXT_BYTES_MAX: Final = 4 * MIB  # of a JSON or XML document; a larger one counts as not read
LETTERS_AT_ONCE: Final = 10  # of one carrier, before [flow] letters_per_s_max sets the pace
LETTERS_SLOWER: Final = 10  # times, while reports come
REPORTS_COME_S: Final = 2.0  # so long after one, reports are said to come
LETTER_TEXT_BYTES_MAX: Final = 256 * KIB  # that a letter is written from; it has some 80 pages then
