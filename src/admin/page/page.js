"use strict";
async function show() {
  const status = await (await fetch("status")).json();
  document.getElementById("status").textContent = JSON.stringify(status, null, 2);
}
show();
setInterval(show, 1000);
