"""Reports: one summary laid out as JSON, CSV, Markdown, HTML and a terminal's last screen."""
