# Scores of gene sets by ranks (the definition of singscore) and ICC(2,1) by analysis of variance, in base R.
set.seed(18)
genes <- paste0("G", 1:30)
m <- matrix(round(rnorm(8 * 30), 1), nrow = 8, dimnames = list(paste0("S", 1:8), genes)) # ties
m[2, 3] <- NA
sets <- list(A = genes[c(1, 4, 9, 16, 25)], B = genes[3:12], C = genes[30])
score <- function(x, set) {
  x <- x[!is.na(x)]
  r <- rank(x, ties.method = "min")
  inside <- r[names(x) %in% set]
  k <- length(inside); n <- length(x)
  low <- (k + 1) / 2; high <- (2 * n - k + 1) / 2
  (mean(inside) - low) / (high - low)
}
write.csv(data.frame(sample = rownames(m), m), "omics_matrix.csv", row.names = FALSE)
scores <- sapply(sets, function(set) apply(m, 1, score, set = set))
write.csv(data.frame(sample = rownames(m), format(scores, digits = 15)), "omics_scores.csv", row.names = FALSE, quote = FALSE)

retest <- expand.grid(session = c("a", "b", "c"), subject = paste0("P", 1:12))[, c("subject", "session")]
truth <- rnorm(12)[as.integer(retest$subject)]
shift <- c(0, 0.4, -0.2)[as.integer(retest$session)]
for (k in 1:4) retest[[paste0("F", k)]] <- signif(truth + shift * (k > 2) + rnorm(36) * c(0.1, 0.5, 0.3, 2)[k], 6)
write.csv(retest, "omics_retest.csv", row.names = FALSE, quote = FALSE)
icc <- sapply(paste0("F", 1:4), function(name) {
  ms <- summary(aov(retest[[name]] ~ retest$subject + retest$session))[[1]][["Mean Sq"]]
  (ms[1] - ms[3]) / (ms[1] + 2 * ms[3] + 3 * (ms[2] - ms[3]) / 12)
})
write.csv(data.frame(feature = names(icc), icc = format(unname(icc), digits = 15)), "omics_icc.csv", row.names = FALSE, quote = FALSE)
writeLines(c("software,version", paste0("R,", getRversion())), "omics_versions.csv")
