# The probability of pCR from model.json alone, in base R with jsonlite: a linear model's rows of inputs.
#   Rscript rescore.R model.json rows.csv
# It stops at what is no number, no level or no input; ranges, units and eligibility only pcr serve and pcr score check.
library(jsonlite)

spline_terms <- function(x, knots) {  # Harrell, Regression Modeling Strategies, 2nd ed., equation 2.25
  k <- length(knots); cube <- function(knot) pmax(x - knot, 0)^3; width <- knots[k] - knots[k - 1]
  sapply(seq_len(k - 2), function(j)
    cube(knots[j]) - cube(knots[k - 1]) * (knots[k] - knots[j]) / width +
      cube(knots[k]) * (knots[k - 1] - knots[j]) / width) / (knots[k] - knots[1])^2
}

read <- function(document, rows) {  # missing is what the served model takes for missing, such as R's own NA
  known <- setNames(document$features, sapply(document$features, `[[`, "name"))
  if (anyDuplicated(names(rows))) stop("a column is given twice")
  used <- intersect(names(rows), names(known))
  if (!nrow(rows) || !length(used)) stop("no rows, or no column is an input of the model: is it CSV with commas?")
  for (name in used) {
    cells <- trimws(rows[[name]])
    cells[cells %in% c("", "NA", "<NA>", "nan", "NaN", "None")] <- NA
    valid <- if (known[[name]]$kind == "numeric") is.finite(suppressWarnings(as.numeric(cells)))
             else cells %in% unlist(known[[name]]$levels)
    if (!all(valid | is.na(cells))) stop(name, ": a cell is no number, or none of the levels")
    rows[[name]] <- cells
  }
  rows[used]
}

encoded <- function(document, rows) {
  matrix(sapply(document$encoding$columns, function(column) {
    value <- if (column$feature %in% names(rows)) rows[[column$feature]] else rep(NA, nrow(rows))
    if (is.null(column$level)) as.numeric(value) else as.numeric(as.character(value) == column$level)
  }), nrow = nrow(rows))
}

completed <- function(encoding, columns) {
  numbers <- function(name) as.numeric(unlist(encoding[[name]]))
  standard <- sweep(sweep(columns, 2, numbers("mean")), 2, numbers("scale"), "/")
  standard[is.na(standard)] <- 0
  weights <- do.call(rbind, lapply(encoding$imputation, unlist))
  expected <- sweep(sweep(standard %*% t(weights), 2, numbers("scale"), "*"), 2, numbers("mean"), "+")
  for (j in seq_len(ncol(columns)))
    expected[, j] <- pmin(pmax(expected[, j], numbers("low")[j]), numbers("high")[j])
  ifelse(is.na(columns), expected, columns)
}

probability <- function(document, rows) {
  x <- completed(document$encoding, encoded(document, rows))
  linear <- document$linear
  design <- matrix(sapply(linear$terms, function(term) {
    place <- unlist(term$columns) + 1
    if (length(place) == 2) return(x[, place[1]] * x[, place[2]])
    if (is.null(term$knots)) return(x[, place])
    matrix(spline_terms(x[, place], unlist(term$knots)), nrow = nrow(x))[, term$spline + 1]
  }), nrow = nrow(x))
  standard <- sweep(sweep(design, 2, unlist(linear$mean)), 2, unlist(linear$scale), "/")
  margin <- linear$intercept + as.vector(standard %*% unlist(linear$coefficients))
  plogis(document$calibration$intercept + document$calibration$slope * margin)
}

given <- commandArgs(trailingOnly = TRUE)
document <- fromJSON(given[1], simplifyVector = FALSE)
if (is.null(document$linear)) stop("model.json holds no linear model: score boosted ones with LightGBM")
rows <- read.csv(given[2], colClasses = "character", check.names = FALSE, fileEncoding = "UTF-8-BOM")
cat(sprintf("%.17g\n", probability(document, read(document, rows))), sep = "")
