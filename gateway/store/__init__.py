"""Where messages live: tables, the two stores, and the queries over them. It sees ciphertext only."""
