"""Labels for tests: of no study, where keys go by themselves."""

from pipeline.report.labels import Labels, LabelSettings

PLAIN = Labels(LabelSettings({}, {}, {}), ["baseline", "c1", "c2"])
