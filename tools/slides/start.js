// Formulas are drawn first, while every slide is laid out; then reveal.js begins.
addEventListener("load", async () => {
  if (window.MathJax) await MathJax.startup.promise;
  // A picture that is not wide stands beside its words, not below them: so it is larger.
  for (const picture of document.querySelectorAll(".body > img")) {
    const wide = picture.naturalWidth / picture.naturalHeight > 1.75;
    picture.parentElement.classList.toggle("beside", !wide);
  }
  Reveal.initialize({
    width: 1280,
    height: 720,
    margin: 0,
    center: false,
    display: "flex",
    hash: true,
    controlsTutorial: false,
    transition: "none",
    plugins: [RevealNotes],
    // N: notes beside the slide. (S, by reveal.js: notes in a window of their own.)
    keyboard: {
      78: () => {
        Reveal.configure({ showNotes: !Reveal.getConfig().showNotes });
        Reveal.layout();
      },
    },
  });
});
