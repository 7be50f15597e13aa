# Measures by centre and their random-effects meta-analysis by R, from heterogeneity_*.csv into
# heterogeneity_groups.csv and heterogeneity_pooled.csv. Run in tests/reference.
suppressPackageStartupMessages({
  library(metafor)
  library(pROC)
})
options(digits = 17)
fewest <- c("40" = 5, ties = 10, many = 10)
exact <- glm.control(epsilon = 1e-14, maxit = 100)

# By pairs of patients: pROC has no placement values averaged over repeats.
logit_auc <- function(y, p) {
  wins <- Reduce(`+`, lapply(p, function(each) {
    difference <- outer(each[y == 1], each[y == 0], "-")
    (difference > 0) + (difference == 0) / 2
  })) / length(p)
  area <- mean(wins)
  variance <- var(rowMeans(wins)) / sum(y == 1) + var(colMeans(wins)) / sum(y == 0)
  if (length(p) == 1) {
    roc <- roc(y, p[[1]], levels = c(0, 1), direction = "<", quiet = TRUE)
    area <- as.numeric(auc(roc))
    variance <- var(roc, method = "delong")
  }
  c(logit_auc = qlogis(area), logit_auc_se = sqrt(variance) / (area * (1 - area)))
}

slope <- function(y, p) {
  fits <- sapply(p, function(each) {
    fit <- glm(y ~ qlogis(each), family = binomial, control = exact)
    # glm() takes the information one step before its estimate; a second start takes it at the estimate.
    coef(summary(update(fit, start = coef(fit))))[2, 1:2]
  })
  c(slope = mean(fits[1, ]), slope_se = mean(fits[2, ]))
}

log_o_e <- function(y, p) {
  ratio <- mean(sapply(p, function(each) sum(y) / sum(each)))
  c(log_o_e = log(ratio), log_o_e_se = sqrt((1 - mean(y)) / sum(y)))
}

of_centre <- function(rows, at_least) {
  p <- as.list(rows[startsWith(names(rows), "p_")])
  counts <- c(n = nrow(rows), events = sum(rows$y))
  if (min(sum(rows$y), sum(1 - rows$y)) < at_least) return(counts)
  c(counts, logit_auc(rows$y, p), slope(rows$y, p), log_o_e(rows$y, p))
}

pooled <- function(table, measure) {
  known <- !is.na(table[, measure])
  fit <- rma(
    table[known, measure], sei = table[known, paste0(measure, "_se")],
    method = "REML", test = "knha", control = list(threshold = 1e-12, maxiter = 1000)
  )
  interval <- predict(fit)
  c(
    value = as.numeric(fit$beta), se = fit$se, low = fit$ci.lb, high = fit$ci.ub,
    prediction_low = interval$pi.lb, prediction_high = interval$pi.ub,
    tau2 = fit$tau2, i2 = fit$I2 / 100, q = fit$QE, groups = fit$k
  )
}

long <- function(dataset, group, values) {
  data.frame(dataset = dataset, group = group, measure = names(values), value = sprintf("%.17g", values))
}

measures <- c("logit_auc", "slope", "log_o_e")
columns <- c("n", "events", as.vector(rbind(measures, paste0(measures, "_se"))))
groups <- list()
meta <- list()
for (dataset in names(fewest)) {
  data <- read.csv(paste0("heterogeneity_", dataset, ".csv"))
  by_centre <- lapply(split(data, data$centre), of_centre, at_least = fewest[[dataset]])
  table <- t(sapply(by_centre, function(values) setNames(values[columns], columns)))
  groups <- c(groups, Map(long, dataset, names(by_centre), by_centre))
  for (measure in measures) meta <- c(meta, list(long(dataset, measure, pooled(table, measure))))
}
write.csv(do.call(rbind, groups), "heterogeneity_groups.csv", row.names = FALSE, quote = FALSE)
write.csv(do.call(rbind, meta), "heterogeneity_pooled.csv", row.names = FALSE, quote = FALSE)

versions <- data.frame(
  software = c("R", "metafor", "pROC"),
  version = c(
    paste(R.version$major, R.version$minor, sep = "."),
    as.character(packageVersion("metafor")), as.character(packageVersion("pROC"))
  )
)
write.csv(versions, "heterogeneity_versions.csv", row.names = FALSE, quote = FALSE)
