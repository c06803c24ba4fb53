"""Roads to partners. Each adapter knows one module of the gateway: ``gateway.spi``."""
