"""Evidence for disputes: gathered from our own records, edited by staff, laid ready at Stripe, and sent to the bank by two people."""
