"""What an accountant reads: the figures of a period on both sides, the lines behind them, and a month as a pack."""
