// What the build puts in the place of JSX.
export { Fragment, h } from 'preact';
