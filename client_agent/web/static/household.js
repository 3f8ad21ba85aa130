// Installs the service worker, and hands news to the browser's notifications when their owner wants that.
"use strict";

(() => {
  if (!("serviceWorker" in navigator) || !window.isSecureContext) return;
  const ready = navigator.serviceWorker.register("/worker.js").catch(() => null);
  const button = document.getElementById("notify");
  const able = "Notification" in window;

  if (button && able && Notification.permission === "default") {
    button.parentElement.hidden = false;
    button.addEventListener("click", async () => {
      if (await Notification.requestPermission() !== "default") button.parentElement.hidden = true;
    });
  }

  document.addEventListener("notice", async (event) => {
    if (!able || Notification.permission !== "granted" || document.visibilityState === "visible") return;
    const page = await fetch("/notices", {headers: {accept: "text/html"}});
    const text = new DOMParser().parseFromString(await page.text(), "text/html").querySelector(`#notice-${Number(JSON.parse(event.detail.data).place)} a`);
    const registration = await ready;
    if (text && registration) registration.showNotification("Hearth", {body: text.textContent, icon: "/static/hearth.svg", tag: text.textContent});
  });
})();
