"""What a served model is worth on a labelled file: measures, plots, a report (extra `train`)."""
