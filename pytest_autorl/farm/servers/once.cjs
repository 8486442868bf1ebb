// Loaded by Node before Appium: of several TERM only the first one counts.
//
// When a process of several threads is killed, the kernel tells its child once for each thread that had it for a
// while. Appium quits its sessions at the first TERM and dies of the next one, with a chromedriver left behind.
let told = false;
process.on("SIGTERM", () => {
  // Nobody else listens yet: it ends as it would without us.
  if (!told && process.listenerCount("SIGTERM") < 2) process.exit(143);
  told = true;
});
