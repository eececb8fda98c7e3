import { defineConfig } from 'vite'

export default defineConfig({
  root: import.meta.dirname,
  // Addresses of assets are relative, so that the page works behind a proxy that adds a prefix (kubectl proxy).
  base: './',
  // The native compiler of JSX; a plugin would add nothing.
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../dist/web',
    emptyOutDir: true,
    target: 'es2022',
    // The Content-Security-Policy allows no data: addresses and no inline scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
})
