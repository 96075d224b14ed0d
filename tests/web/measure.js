// What a checker of accessibility does not see: runs in the page, returns a sentence for each thing that is wrong.
([text, touch]) => {
  const wrong = [];
  const name = (e) => `${e.tagName.toLowerCase()}.${e.getAttribute("class") ?? ""}#${e.id} "${e.textContent.trim().slice(0, 30)}"`;
  const beyond = document.documentElement.scrollWidth - innerWidth;
  if (beyond > 0) wrong.push(`scrolls sideways by ${beyond} px`);
  for (const e of document.querySelectorAll("body *")) {
    if (!e.checkVisibility({ visibilityProperty: true })) continue;
    if (e.closest(".for-ears, .skip, symbol, noscript")) continue;
    const box = e.getBoundingClientRect();
    const style = getComputedStyle(e);
    const says = [...e.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    const means = says || e.matches("img, svg, progress, input, button");
    const isPressed = e.matches(
      "button, summary, select, textarea, .button, .ways a, .home, input:not([type=hidden])",
    );
    if (says && parseFloat(style.fontSize) < text) wrong.push(`${name(e)} is written in ${style.fontSize}`);
    if (means && (box.width < 1 || box.height < 1)) wrong.push(`${name(e)} has no size`);
    if (isPressed && Math.min(box.width, box.height) < touch) wrong.push(`${name(e)} is ${box.width} x ${box.height}`);
    if (says && box.right > innerWidth + 1) wrong.push(`${name(e)} goes beyond the edge`);
    if (says && style.overflowX !== "visible" && e.scrollWidth > e.clientWidth + 1 && !e.matches("textarea, select"))
      wrong.push(`${name(e)} is cut off`);
  }
  return wrong;
};
