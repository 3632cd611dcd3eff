/**
 * Runs TypeScript's language service, as editors do. Reads a request from stdin and writes a response to stdout:
 *
 *   { typescript, root, files: { name: text }, entries: [specifier] }
 *   -> { problems: { name: [text] }, hovers: { name: { marker: text } }, bare: [property without description or default] }
 *
 * A marker is a comment such as `/*1*\/` before a property. `bare` walks every exported type whose name ends with Props or Spec.
 */
const path = require("node:path");

/** Names of the types that users write. Other interfaces, such as ICluster, are passed from construct to construct. */
const INPUT = /(Props|Spec)$/;
const request = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const ts = require(request.typescript);
const options = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.Node16,
  moduleResolution: ts.ModuleResolutionKind.Node16,
  strict: true,
  skipLibCheck: true,
  types: ["node"],
  noEmit: true,
};
const list = path.join(request.root, "entries.mts");
const virtual = new Map(
  Object.entries(request.files).map(([name, text]) => [path.join(request.root, name), text]),
);
virtual.set(list, request.entries.map((entry, index) => `export * as e${index} from "${entry}";`).join("\n"));

const host = {
  ...ts.sys,
  getCompilationSettings: () => options,
  getScriptFileNames: () => [...virtual.keys()],
  getScriptVersion: () => "1",
  getScriptSnapshot: (file) => {
    const text = virtual.get(file) ?? ts.sys.readFile(file);
    return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
  },
  useCaseSensitiveFileNames: () => true,
  getCurrentDirectory: () => request.root,
  getDefaultLibFileName: ts.getDefaultLibFilePath,
  fileExists: (file) => virtual.has(file) || ts.sys.fileExists(file),
  readFile: (file) => virtual.get(file) ?? ts.sys.readFile(file),
};
const service = ts.createLanguageService(host);
const program = service.getProgram();
const checker = program.getTypeChecker();

function problemsOf(file) {
  return [...service.getSyntacticDiagnostics(file), ...service.getSemanticDiagnostics(file)].map(
    ({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"),
  );
}

function hoversOf(file, text) {
  const hovers = {};
  for (const match of text.matchAll(/\/\*(\w+)\*\//g)) {
    const info = service.getQuickInfoAtPosition(file, match.index + match[0].length);
    const tags = (info?.tags ?? []).map((tag) => `@${tag.name} ${ts.displayPartsToString(tag.text)}`);
    hovers[match[1]] = [ts.displayPartsToString(info?.documentation), ...tags].join("\n").trim();
  }
  return hovers;
}

/** Properties of the types that users write which lack a description, or, if optional, a default. */
function bareProperties() {
  const bare = [];
  let count = 0;
  const seen = new Set();
  const visit = (type, at) => {
    if (seen.has(type)) return;
    seen.add(type);
    if (type.isUnionOrIntersection()) {
      for (const part of type.types) visit(part, at);
      return;
    }
    if (checker.isArrayType(type)) {
      visit(checker.getTypeArguments(type)[0], `${at}[]`);
      return;
    }
    const isOurs = type.symbol?.declarations?.some((declaration) => {
      const file = path.relative(request.root, declaration.getSourceFile().fileName);
      if (ts.isTypeLiteralNode(declaration)) return file.startsWith("dist/");
      if (!ts.isInterfaceDeclaration(declaration)) return false;
      return (
        file.startsWith("dist/config/") || (file.startsWith("dist/") && INPUT.test(declaration.name.text))
      );
    });
    if (!isOurs) return;
    for (const property of type.getProperties()) {
      if (property.declarations?.every(ts.isMethodSignature)) continue;
      count += 1;
      const where = `${at}.${property.name}`;
      const isOptional = (property.flags & ts.SymbolFlags.Optional) !== 0;
      const hasDefault = property.getJsDocTags(checker).some(({ name }) => name === "default");
      if (property.getDocumentationComment(checker).length === 0) bare.push(`${where}: no description`);
      else if (isOptional && !hasDefault) bare.push(`${where}: no default`);
      visit(checker.getTypeOfSymbol(property), where);
    }
  };
  const module = checker.getSymbolAtLocation(program.getSourceFile(list));
  for (const entry of checker.getExportsOfModule(module)) {
    for (const symbol of checker.getExportsOfModule(checker.getAliasedSymbol(entry))) {
      if (!INPUT.test(symbol.name)) continue;
      const declared = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      visit(checker.getDeclaredTypeOfSymbol(declared), symbol.name);
    }
  }
  return { bare, count };
}

const names = Object.keys(request.files);
process.stdout.write(
  JSON.stringify({
    problems: Object.fromEntries(names.map((name) => [name, problemsOf(path.join(request.root, name))])),
    hovers: Object.fromEntries(
      names.map((name) => [name, hoversOf(path.join(request.root, name), request.files[name])]),
    ),
    ...bareProperties(),
  }),
);
