"""Article -> ScoredArticle: training, artifacts, serving; the only place of torch."""
