/* Light or dark: as the system says, or as chosen here before. Runs before the page is drawn. */
{
  const root = document.documentElement;
  root.classList.add("js");

  const remembered = () => {
    try { return localStorage.getItem("theme"); } catch { return null; }
  };
  const remember = (theme) => {
    try { localStorage.setItem("theme", theme); } catch { /* storage is off: the choice lasts for this page */ }
  };
  const shown = () => root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

  if (remembered() === "light" || remembered() === "dark") root.dataset.theme = remembered();

  document.addEventListener("DOMContentLoaded", () => {
    for (const button of document.querySelectorAll("[data-theme-toggle]")) button.hidden = false;
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    root.dataset.theme = shown() === "dark" ? "light" : "dark";
    remember(root.dataset.theme);
  });
}
