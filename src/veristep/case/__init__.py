"""What an investigation reads: runs at a glance, their audits, and reports about them."""
