"""What is known about a patient: the indicator catalogue, results, reports and the rules that read them."""
