// Answers each line, a question in standard JSON, with a line. The first answer takes as long as a compiler that is
// started for it, later ones less, because the program stays in memory, translated and warm.
const fs = require("fs"), path = require("path"), readline = require("readline");
const [sources, packages] = process.argv.slice(2);
const compiler = require(path.join(packages, "solc"));

function find(name) {
  const file = [sources, packages].map((folder) => path.join(folder, name)).find(fs.existsSync);
  return file ? { contents: fs.readFileSync(file, "utf8") } : { error: "not found" };
}

readline.createInterface({ input: process.stdin }).on("line", (question) => {
  process.stdout.write(compiler.compile(question, { import: find }) + "\n");
});
