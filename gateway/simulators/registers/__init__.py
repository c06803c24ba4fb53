"""Two registers of people as honest servers: KRR and Folkeregisteret."""
