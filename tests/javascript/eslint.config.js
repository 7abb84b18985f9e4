import js from "@eslint/js";
import globals from "globals";

export default [
    js.configs.recommended,
    {
        rules: {
            curly: "error",
            eqeqeq: ["error", "always", { null: "ignore" }],
            "max-len": ["error", { code: 130 }],
            "no-implicit-globals": "error",
            "no-shadow": "error",
            "no-unused-vars": ["error", { caughtErrors: "none" }],
            "no-use-before-define": ["error", { functions: false, variables: false }],
            "no-var": "error",
            "object-shorthand": "error",
            "prefer-const": "error",
            "prefer-template": "error",
        },
    },
    {
        files: ["javascript/*.js"],
        languageOptions: {
            // What the oldest browsers know that gradio 3 runs in.
            ecmaVersion: 2021,
            sourceType: "script",
            globals: { ...globals.browser, gradioApp: "readonly", onUiUpdate: "readonly", opts: "readonly" },
        },
        rules: {
            "no-restricted-properties": [
                "error",
                { property: "insertAdjacentHTML", message: "HTML comes from Python alone, into a slot." },
                { property: "outerHTML", message: "HTML comes from Python alone, into a slot." },
            ],
        },
    },
    {
        files: ["web/*.js"],
        languageOptions: { ecmaVersion: 2022, sourceType: "module", globals: globals.browser },
        rules: { "max-len": "off", "no-implicit-globals": "off" },
    },
    { files: ["tests/javascript/*.js"], languageOptions: { globals: globals.node } },
    { ignores: ["**/node_modules/"] },
];
