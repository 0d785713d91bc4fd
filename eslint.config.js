import js from "@eslint/js";
import globals from "globals";

export default [
  js.configs.recommended,
  {
    files: ["vit_demo/ui/**/*.js"],
    languageOptions: { globals: globals.browser, sourceType: "module" },
    rules: {
      "no-restricted-properties": ["error", { property: "innerHTML", message: "Words from elsewhere must not become HTML." }],
      eqeqeq: "error",
      "prefer-const": ["error", { destructuring: "all" }],
      "no-use-before-define": ["error", { functions: false }],  // a view's first value is followed while it is mounted
    },
  },
];
