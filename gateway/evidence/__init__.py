"""Evidence that outsiders can check: heads of the log, proofs of its entries, and the verifier that needs nothing of us."""
