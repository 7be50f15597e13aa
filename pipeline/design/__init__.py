"""What a trial would find: how models fare at the gates in simulated trials, and the page."""
