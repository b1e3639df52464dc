"use strict";
const $ = id => document.getElementById(id);

/** An element with properties and children; texts are never read as HTML. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** The page's data: gzip within base64. */
async function unpacked() {
  const raw = atob($("data").textContent), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

/** Whether a key is meant for a field in which one types. */
const typing = event => event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]), textarea, select");

function failed(error) {
  document.querySelector("main").prepend(make("p", {className: "note", role: "alert", textContent:
    `This page could not be opened: ${error.message}. It needs a browser of 2023 or newer.`}));
}
