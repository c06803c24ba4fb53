"""What ``docs/generate.py`` derives from code, one module a page."""
