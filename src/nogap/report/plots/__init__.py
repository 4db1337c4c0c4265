"""The plots of the report, as SVG; each file draws one subject."""
