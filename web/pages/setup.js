// Reads the one-time token from the link's fragment, which never reaches a server's log, and makes the owner.
"use strict";

const token = new URLSearchParams(location.hash.slice(1)).get("token");
const form = document.getElementById("form");
const message = document.getElementById("message");
const send = document.getElementById("send");

if (!token) {
  message.textContent = "The link is not whole: open the one that the server printed when it started.";
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  message.textContent = "";
  send.disabled = true;
  try {
    const response = await fetch("/api/v1/auth/setup", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token: token || "", email: form.email.value.trim(), password: form.password.value }),
    });
    if (response.ok) {
      history.replaceState(null, "", "/setup");
      document.getElementById("ask").hidden = true;
      document.getElementById("done").hidden = false;
      document.getElementById("done-title").focus();
      return;
    }
    const body = await response.json();
    message.textContent = sentence(body.error.message);
  } catch {
    message.textContent = "The server did not answer. Is it still running?";
  } finally {
    send.disabled = false;
  }
});

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1) + ".";
}
