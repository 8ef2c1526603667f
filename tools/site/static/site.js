// A line for a guess before each answer, kept in this browser alone, and folds that are
// open on paper. Without this script the folds are plain folds.
const kept = (key, value) => {
  try {
    if (value === undefined) return localStorage.getItem(key) ?? "";
    value ? localStorage.setItem(key, value) : localStorage.removeItem(key);
  } catch { /* storage is switched off: the guess lives as long as the page */ }
  return "";
};

const folds = [...document.querySelectorAll("article details:not([class])")];
folds.filter((fold) => fold.querySelector("summary")?.textContent.trim() === "Answer")
  .forEach((fold, place) => {
    const key = `guess ${location.pathname.split("/").pop()} ${place}`;
    const label = document.createElement("label");
    const words = document.createElement("span");
    const field = document.createElement("textarea");
    label.className = "guess";
    words.textContent = "Your guess (it stays in this browser)";
    field.rows = 1;
    field.value = kept(key);
    field.addEventListener("input", () => kept(key, field.value.trim()));
    label.append(words, field);
    fold.before(label);
  });

addEventListener("beforeprint", () => folds.forEach((fold) => { fold.open = true; }));

// Wide parts that a keyboard can scroll, and words for the arrows of the sidebar.
const WIDE = "article :is(pre, .wide, .pst-scrollable-table-container, div.math)";
const reachable = () => {
  for (const part of document.querySelectorAll(WIDE)) {
    if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
  }
};
addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  reachable();
});
addEventListener("resize", reachable);
for (const arrow of document.querySelectorAll(".bd-links summary")) {
  const above = arrow.closest("li").querySelector("a")?.textContent.trim();
  arrow.setAttribute("aria-label", `Pages below ${above}`);
}
