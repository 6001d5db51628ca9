"""Results as pages: each one self-contained file of HTML, for a browser, a mail or a printer."""
