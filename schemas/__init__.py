"""Message types as data: one folder per type and version. Code in ``gateway.catalogue`` reads them."""
