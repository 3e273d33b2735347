/* What pages have beyond their HTML: local times, pages that refresh themselves, keys, and passkeys. Every page works without it. */
"use strict";

const LIVE = { "X-Redress-Live": "1" };

/* Times in the viewer's own zone; UTC stays on hover. */
function localTimes(root) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "medium" });
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.textContent = format.format(new Date(time.dateTime));
  }
}

/* Cells carry their column's name, which a narrow screen shows beside them. */
function labelCells(root) {
  for (const table of root.querySelectorAll("table")) {
    const names = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
    for (const row of table.querySelectorAll("tbody tr")) {
      [...row.children].forEach((cell, place) => { if (names[place]) cell.dataset.label = names[place]; });
    }
  }
}

/* Parts that say so are fetched again every few seconds, while somebody can see them and types nothing in them. */
function keepLive() {
  const part = document.querySelector("[data-live]");
  if (!part) return;
  const again = Number(part.dataset.live) * 1000;
  const look = async () => {
    if (!document.hidden && !part.contains(document.activeElement)) {
      try {
        const answer = await fetch(location.href, { headers: LIVE, redirect: "error" });
        if (answer.status === 401) { location.reload(); return; }
        if (answer.ok) {
          const page = new DOMParser().parseFromString(await answer.text(), "text/html");
          const fresh = page.querySelector("[data-live]");
          if (fresh) { localTimes(fresh); labelCells(fresh); part.replaceChildren(...fresh.childNodes); }
        }
      } catch { /* The next look may get through. */ }
    }
    setTimeout(look, again);
  };
  setTimeout(look, again);
}

/* Who speaks to the machine, or types by accident, turns single keys off (WCAG 2.1.4); the browser remembers it. */
const KEYS = "redress-keys";
const keysOn = () => localStorage.getItem(KEYS) !== "off";

function offerKeys() {
  const button = document.querySelector("[data-keys]");
  if (!button) return;
  const tell = () => { button.textContent = keysOn() ? "Turn the keys off" : "Turn the keys on"; };
  button.closest("li").hidden = false;
  button.addEventListener("click", () => { localStorage.setItem(KEYS, keysOn() ? "off" : "on"); tell(); });
  tell();
}

/* j and k walk through a list, Enter opens, other keys go where a page says. Nothing while somebody types. */
function listenForKeys() {
  const rows = [...document.querySelectorAll("table[data-rows] tbody tr")];
  let at = -1;
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea, [contenteditable]");
    if (event.ctrlKey || event.metaKey || event.altKey || typing || !keysOn()) return;
    if ((event.key === "j" || event.key === "k") && rows.length) {
      rows[at]?.classList.remove("at");
      at = Math.min(rows.length - 1, Math.max(0, at + (event.key === "j" ? 1 : -1)));
      rows[at].classList.add("at");
      rows[at].querySelector("a")?.focus();
      event.preventDefault();
      return;
    }
    const wanted = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!wanted) return;
    event.preventDefault();
    if (wanted.matches("a")) { wanted.click(); return; }
    /* Buttons are only gone to: a key alone never moves money. */
    (wanted.form?.querySelector("[name=reason]") && wanted.matches("button") ? wanted.form.querySelector("[name=reason]") : wanted).focus();
  });
}

async function challenge(address, form) {
  const token = form.querySelector("[name=csrf]");
  const answer = await fetch(address, { method: "POST", headers: token ? { "X-CSRF-Token": token.value } : {} });
  if (!answer.ok) throw new Error(answer.status === 429 ? "Too many attempts; wait ten minutes." : "The server gave no challenge.");
  return answer.json();
}

async function credentialFor(form) {
  const options = await challenge(form.dataset.challenge, form);
  const made = form.dataset.passkey === "create"
    ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
    : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
  return JSON.stringify(made.toJSON());
}

/* Who is signed in shows again who it is, and the form goes on as it was filled in. */
async function confirmAgain(form) {
  const options = await challenge(form.dataset.confirm, form);
  const made = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
  const body = new URLSearchParams({ csrf: form.querySelector("[name=csrf]").value, credential: JSON.stringify(made.toJSON()), next: location.pathname });
  const answer = await fetch(form.dataset.confirm.replace(/challenge$/, "passkey"), { method: "POST", body, headers: LIVE });
  if (!answer.ok) throw new Error("That was not accepted.");
}

function say(form, sentence) {
  let note = form.querySelector("[data-passkey-note]");
  if (!note) {
    note = document.createElement("p");
    note.dataset.passkeyNote = "";
    note.className = "note";
    form.append(note);
  }
  note.setAttribute("role", "alert");
  note.textContent = sentence;
}

function preparePasskeys() {
  const able = window.PublicKeyCredential && PublicKeyCredential.parseRequestOptionsFromJSON;
  for (const form of document.querySelectorAll("form[data-passkey], form[data-confirm]")) {
    if (!able) continue;
    if (form.dataset.passkey) {
      form.querySelector("button").disabled = false;
      form.querySelector("[data-passkey-note]").textContent = "";
    }
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        if (form.dataset.confirm) { await confirmAgain(form); delete form.dataset.confirm; }
        if (form.dataset.passkey) form.elements.credential.value = await credentialFor(form);
        form.submit();
      } catch (error) {
        say(form, error.name === "NotAllowedError" ? "No passkey was used. Try again." : error.message);
      }
    });
  }
}

localTimes(document);
labelCells(document);
keepLive();
offerKeys();
listenForKeys();
preparePasskeys();
