"""What the models of blocks are called, beside each block alone, which has the block's name."""

TOGETHER, FUSED, CLINICAL = "blocks", "late_fusion", "clinical"
WITHOUT, HIDDEN = "without ", "hidden "
"""Before the name of a block: the model learned without it, and all blocks for patients who lack it."""
