"""KS SvarUt for those who send letters to people (digipost.md 10.4)."""
