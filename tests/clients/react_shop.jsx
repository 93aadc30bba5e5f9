/* A shop's checkout in React, as Stripe's guide builds one: every element, one button, and what came of it as text. */
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { loadStripe } from "@stripe/stripe-js";
import {
  AddressElement,
  Elements,
  ExpressCheckoutElement,
  LinkAuthenticationElement,
  PaymentElement,
  useElements,
  useStripe,
} from "@stripe/react-stripe-js";

const { key, clientSecret } = Object.fromEntries(new URLSearchParams(location.search));
const stripePromise = loadStripe(key);

function Checkout() {
  const stripe = useStripe();
  const elements = useElements();
  const [email, setEmail] = useState("");
  const [wallets, setWallets] = useState(null);
  const [ready, setReady] = useState([]);
  const [outcome, setOutcome] = useState("");
  const note = (name) => () => setReady((names) => [...new Set([...names, name])].sort());

  async function pay(event) {
    event?.preventDefault?.();
    const submitted = await elements.submit();
    if (submitted.error) {
      setOutcome(submitted.error.code);
      return;
    }
    const { error, paymentIntent } = await stripe.confirmPayment({
      elements,
      clientSecret,
      redirect: "if_required",
      confirmParams: { return_url: location.href },
    });
    setOutcome(error ? `error: ${error.code}` : paymentIntent.status);
  }

  return (
    <form onSubmit={pay}>
      <ExpressCheckoutElement onConfirm={() => pay()} onReady={({ availablePaymentMethods }) => setWallets(availablePaymentMethods)} />
      <LinkAuthenticationElement onReady={note("link")} onChange={({ value }) => setEmail(value.email)} />
      <AddressElement options={{ mode: "shipping" }} onReady={note("address")} />
      <PaymentElement onReady={note("payment")} />
      <button disabled={!stripe}>Pay</button>
      <output id="email">{email}</output>
      <output id="wallets">{JSON.stringify(wallets)}</output>
      <output id="ready">{ready.join(" ")}</output>
      <output id="outcome">{outcome}</output>
    </form>
  );
}

createRoot(document.getElementById("root")).render(
  <StrictMode>
    <Elements stripe={stripePromise} options={{ clientSecret }}>
      <Checkout />
    </Elements>
  </StrictMode>,
);
