"""What Zhizhi claims of itself, measured: ratios against a reference in the same run, and drills that break things."""
