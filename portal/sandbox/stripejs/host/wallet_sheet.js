/*
 * A wallet's sheet: what Apple Pay, Google Pay and the others show over the page when their button is pressed. What the wallet holds,
 * and whether a person answers the sheet, is set by a control of the sandbox.
 */
class WalletSheet {
  /*
   * purchase() gives {amount, currency, lineItems, shippingRates}, again after each change; needs says what the page asks of the
   * holder; onAddress and onRate are called with the holder's choices and resolve to false where the page refuses one.
   */
  constructor({ wallet, settings, merchant, purchase, needs = {}, onAddress, onRate }) {
    this.purchase = purchase;
    const follow = async (change, given) => {
      const accepted = (await change?.(given)) ?? true;
      this.dialog.channel.send("update", { ...this.purchase(), refused: accepted === false });
    };
    this.answered = new Promise((resolve) => {
      this.dialog = openDialog({
        path: FRAME_PATHS.wallet,
        title: "Wallet payment sheet",
        start: { ...settings, wallet, merchant, needs, ...purchase() },
        handlers: {
          paid: resolve,
          canceled: () => resolve(null),
          addresschange: (given) => follow(onAddress, given),
          ratechange: (given) => follow(onRate, given),
        },
      });
    });
    this.isOpen = true;
  }

  /* Resolves to {method, billingDetails, shippingAddress, shippingRate}, or to null when the holder cancels. */
  answer() {
    return this.answered;
  }

  close() {
    if (this.isOpen) this.dialog.close();
    this.isOpen = false;
  }
}

/* The error of a holder who has closed the sheet. */
function sheetCanceled() {
  return { type: "validation_error", code: "payment_canceled", message: "The customer has canceled the payment." };
}
