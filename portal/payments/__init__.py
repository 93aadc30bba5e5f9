"""One attempt to pay: started, confirmed in the browser, settled by what Stripe says."""
