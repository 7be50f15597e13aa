# Performance measures by R, from performance_*.csv into performance_expected.csv. Run in tests/reference.
suppressPackageStartupMessages({
  library(pROC)
  library(rms)
})
options(digits = 17)
thresholds <- c(0.1, 0.3, 0.5, 0.7, 0.9)
exact <- glm.control(epsilon = 1e-14, maxit = 100)

discrimination <- function(y, p) {
  roc <- roc(y, p, levels = c(0, 1), direction = "<", quiet = TRUE)
  area <- as.numeric(auc(roc))
  variance <- var(roc, method = "delong")
  # pROC's own ci.auc is not on the logit scale.
  half_width <- qnorm(0.975) * sqrt(variance) / (area * (1 - area))
  c(
    auc = area, auc_variance = variance,
    auc_low = plogis(qlogis(area) - half_width), auc_high = plogis(qlogis(area) + half_width)
  )
}

calibration <- function(y, p) {
  lp <- qlogis(p)
  smoothed <- fitted(loess(y ~ p)) # R's defaults: degree 2, span 0.75, interpolated surface
  distance <- abs(smoothed - p)
  c(
    calibration_intercept = unname(coef(glm(y ~ 1, offset = lp, family = binomial, control = exact))),
    calibration_slope = unname(coef(glm(y ~ lp, family = binomial, control = exact))[2]),
    o_e = sum(y) / sum(p),
    ici = mean(distance), e50 = median(distance),
    e90 = unname(quantile(distance, 0.9)), emax = max(distance),
    smoothed_first = smoothed[1], smoothed_at_0.4 = unname(predict(loess(y ~ p), data.frame(p = 0.4)))
  )
}

accuracy <- function(y, p) {
  brier <- unname(val.prob(p, y, pl = FALSE)["Brier"])
  prevalence <- mean(y)
  c(
    brier = brier, brier_scaled = 1 - brier / (prevalence * (1 - prevalence)),
    log_loss = -mean(dbinom(y, 1, p, log = TRUE))
  )
}

benefit <- function(y, p) {
  by_hand <- function(event, acted, t) {
    sum(acted & event == 1) / length(event) - sum(acted & event == 0) / length(event) * t / (1 - t)
  }
  c(
    sapply(setNames(thresholds, paste0("net_benefit@", thresholds)), function(t) by_hand(y, p >= t, t)),
    sapply(
      setNames(thresholds, paste0("net_benefit_escalation@", thresholds)),
      function(t) by_hand(1 - y, round(1 - p, 9) >= t, t) # 1 - 0.9 is not 0.1 in binary
    )
  )
}

paired <- function(y, p_a, p_b) {
  test <- roc.test(
    roc(y, p_a, levels = c(0, 1), direction = "<", quiet = TRUE),
    roc(y, p_b, levels = c(0, 1), direction = "<", quiet = TRUE),
    method = "delong", paired = TRUE
  )
  difference <- unname(test$estimate[1] - test$estimate[2])
  c(delta_auc = difference, delta_auc_z = unname(test$statistic))
}

long <- function(dataset, model, values) {
  data.frame(
    dataset = dataset, model = model, measure = names(values), value = sprintf("%.17g", values)
  )
}

rows <- list()
for (dataset in c("40", "500", "ties")) {
  data <- read.csv(paste0("performance_", dataset, ".csv"))
  for (model in c("p_a", "p_b")) {
    y <- data$y
    p <- data[[model]]
    values <- c(discrimination(y, p), accuracy(y, p), calibration(y, p), benefit(y, p))
    rows <- c(rows, list(long(dataset, model, values)))
  }
  rows <- c(rows, list(long(dataset, "p_a-p_b", paired(data$y, data$p_a, data$p_b))))
}
write.csv(do.call(rbind, rows), "performance_expected.csv", row.names = FALSE, quote = FALSE)

versions <- data.frame(
  software = c("R", "pROC", "rms"),
  version = c(
    paste(R.version$major, R.version$minor, sep = "."),
    as.character(packageVersion("pROC")), as.character(packageVersion("rms"))
  )
)
write.csv(versions, "performance_versions.csv", row.names = FALSE, quote = FALSE)
