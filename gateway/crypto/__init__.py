"""Everything that touches keys: envelopes, containers, certificates, encryption at rest.

The only package that imports ``cryptography`` and ``jwcrypto``. It opens no socket and reads no clock: what it needs of
either is handed in. Verification raises; it never answers with a boolean.
"""
