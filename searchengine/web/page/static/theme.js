// Sets the colours before the first paint; a module would come too late and flash.
"use strict";
(() => {
  try {
    const theme = localStorage.getItem("lexpix.theme");
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  } catch { /* a browser that keeps nothing shows the system's colours */ }
})();
